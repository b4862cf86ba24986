-- both

local show = require "show"

for _, level in ipairs { 0 / 0, 1 / 0, -1 / 0, 1e300, -0.5, 7.9, "8", "0x7" } do
    show(level, ngx.log(level, "x"))
end
for _, level in ipairs { -1, 9, "9", "x", "", {}, true } do
    show.raised(function() return (ngx.log(level, "x")) end)
end
