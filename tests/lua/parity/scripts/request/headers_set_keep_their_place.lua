-- serve
-- header: X-A: one
-- header: X-B: two
-- header: x-a: three
-- header: User-Agent: four
local function show()
    for max = 1, 4 do
        local names = {}
        for name, value in pairs((ngx.req.get_headers(max, true))) do
            if type(value) == "table" then value = table.concat(value, ",") end
            names[#names + 1] = name .. "=" .. value
        end
        table.sort(names)
        ngx.say(max, " ", table.concat(names, " "))
    end
end
show()
ngx.req.set_header("x-A", "new")
ngx.req.set_header("user-agent", { "first", "last" })
ngx.req.set_header("X-C", { "c", "d" })
show()
ngx.req.set_header("X-B", { "b", "e" })
ngx.req.clear_header("x-a")
show()
