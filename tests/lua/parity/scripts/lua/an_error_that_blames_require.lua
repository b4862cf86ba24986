-- both
-- Level 2 is require, a function of C: no place is named. Level 3 is whoever called that.
local function module(name, level)
    package.preload[name] = function() error("no library", level) end
end
module("one", 1)
module("two", 2)
module("three", 3)
module("also_two", 2)
package.preload.object = function() error({ "object" }, 2) end
package.preload.nested = function() require "also_two" end
ngx.say(pcall(require, "one"))
ngx.say(pcall(require, "two"))
ngx.say(pcall(function() require "three" end))
ngx.say(type(select(2, pcall(require, "object"))))
ngx.say(pcall(require, "nested"))

-- A loader likewise; and what it returns besides functions and texts says nothing.
local loaders = package.loaders
for level = 0, 3 do
    table.insert(loaders, 2, function(name) if name == "found by none" then error("no loader", level) end end)
    ngx.say(pcall(function() require "found by none" end))
    table.remove(loaders, 2)
end
table.insert(loaders, 2, function(name) if name == "a table" then return {} end end)
table.insert(loaders, 2, function(name) if name == "a text" then return "\n\tno such text" end end)
ngx.say((select(2, pcall(require, "a table")):match("^[^\n]*\n")))
ngx.say((select(2, pcall(require, "a text")):match("^.-\n.-\n\tno such text")))
table.remove(loaders, 2)
table.remove(loaders, 2)

local name = os.tmpname()
local file = io.open(name, "w")
file:write('error("from a file", ...)\nerror("of a file", 2)')
file:close()
ngx.say((tostring(select(2, pcall(dofile, name))):gsub("^.*: ", "")))
local file = io.open(name, "w")
file:write('error("of a file", 2)')
file:close()
ngx.say(pcall(dofile, name))
ngx.say(pcall(function() dofile(name) end))
os.remove(name)
package.preload.returns = function(...) return ... end
ngx.say(require "returns")
ngx.say(pcall(require, "returns"))
for _, name in ipairs { "one", "two", "three", "also_two", "object", "nested", "returns" } do
    package.loaded[name], package.preload[name] = nil, nil
end
