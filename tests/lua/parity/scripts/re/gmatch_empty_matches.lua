-- serve

local show = require "show"

for found in ngx.re.gmatch("abc", "") do
    show(found)
end
for found in ngx.re.gmatch("a1b", "[0-9]*") do
    show(found)
end
