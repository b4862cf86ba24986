-- serve

local show = require "show"

for found in ngx.re.gmatch("a=1, b=2", "(?<key>\\w)=(?<value>\\d)") do
    show(found.key, found.value)
end
