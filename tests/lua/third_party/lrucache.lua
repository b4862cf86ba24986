-- lua-resty-lrucache: the library itself, not the one that the runtime has under the same name.

local PREFIX = arg[1]

local case, equal = require "cases" ()

for _, name in ipairs { "lrucache", "lrucache.pureffi" } do
    local lrucache = assert(loadfile(assert(package.searchpath(PREFIX .. name, package.path))))()

    case(name .. " throws out what was not used for longest", function()
        local cache = assert(lrucache.new(3))
        for i = 1, 3 do cache:set("key" .. i, { i }) end
        equal(cache:get("key1"), { 1 })
        cache:set("key4", "four")
        equal({ cache:get("key2") }, {})
        equal(cache:get("key1"), { 1 })
        equal(cache:get("key4"), "four")
        cache:delete("key4")
        equal({ cache:get("key4") }, {})
    end)

    case(name .. " keeps a value for its time, and gives it stale afterwards", function()
        local cache = assert(lrucache.new(10))
        cache:set("key", "value", 0.01)
        equal(cache:get("key"), "value")
        ngx.sleep(0.02)
        local value, stale = cache:get("key")
        equal({ value, stale }, { nil, "value" })
    end)

    case(name .. " takes a hundred thousand changes", function()
        local cache = assert(lrucache.new(100))
        local found = 0
        for i = 1, 100000 do
            cache:set(i % 150, i)
            if cache:get((i - 30) % 150) then found = found + 1 end
        end
        equal(found, 100000 - 30)
    end)
end
