-- both
local function try(f, value)
    local ok, err = pcall(f, value)
    ngx.say(" ", ok, " ", ok and "" or err)
end
local meta = {
    __tostring = function() return "object" end,
    __index = function() return "index" end,
    __len = function() return 5 end,
    __call = function() return "called" end,
    __concat = function() return "joined" end,
}
ngx.say(setmetatable({ "a", "b" }, meta))
try(ngx.print, setmetatable({ "a", "b" }, meta))
try(ngx.print, setmetatable({}, meta))
try(ngx.print, setmetatable({ x = 1 }, meta))
try(ngx.say, setmetatable({ x = 1 }, { __tostring = function() return "object" end }))
try(ngx.print, setmetatable({ [3] = 1 }, meta))
try(ngx.print, { 1, setmetatable({ "in", "side" }, meta) })
try(ngx.print, { 1, setmetatable({ x = 1 }, meta) })
try(ngx.print, setmetatable({ "a" }, { __pairs = function() return function() end end }))
try(ngx.print, { true, false, ngx.null, { 1.5, { "x" } } })
try(ngx.print, newproxy(true))
ngx.say(tostring(setmetatable({}, meta)))
