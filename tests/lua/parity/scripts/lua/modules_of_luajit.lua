-- both
for _, name in ipairs {
    "jit.v", "jit.dump", "jit.p", "jit.bcsave", "jit.zone", "jit.opt", "jit.util", "jit.profile", "bit", "ffi", "jit",
    "string.buffer", "table.new", "table.clear", "table.clone", "table.nkeys", "table.isempty", "table.isarray",
} do
    ngx.say(name, " ", type(require(name)))
end
for _, name in ipairs { "jit.v", "jit.dump", "jit.p", "jit.bcsave" } do
    local names = {}
    for key, value in pairs(require(name)) do names[#names + 1] = key .. " " .. type(value) end
    table.sort(names)
    ngx.say(name, ": ", table.concat(names, ", "))
end
local zone = require "jit.zone"
zone("outer")
zone("inner")
ngx.say(zone:get(), " ", zone(), " ", zone:get())
zone:flush()
ngx.say(zone:get(), " ", (pcall(zone)))
