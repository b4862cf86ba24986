-- serve

local show = require "show"

show(ngx.decode_args("a=1&b=2&c=3", 2))
show(ngx.decode_args("a=1&b=2", 2))
local text = {}
for index = 1, 150 do
    text[index] = "k" .. index .. "=" .. index
end
text = table.concat(text, "&")
local function count(args)
    local number = 0
    for _ in pairs(args) do
        number = number + 1
    end
    return number
end
show(count((ngx.decode_args(text))), select(2, ngx.decode_args(text)))
show(count((ngx.decode_args(text, 0))), select(2, ngx.decode_args(text, 0)))
