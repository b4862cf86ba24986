-- both

local show = require "show"

local function nothing() end

for _, delay in ipairs { 0 / 0, "0", "0x0", -1, 0.0001, -1 / 0 } do
    show(ngx.timer.at(delay, nothing))
end
for _, delay in ipairs { "x", "", {}, true, 1LL } do
    show.raised(function() return (ngx.timer.at(delay, nothing)) end)
end
