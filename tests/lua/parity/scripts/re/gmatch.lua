-- serve

local show = require "show"

for found in ngx.re.gmatch("hello, world", "[a-z]+") do
    show(found)
end
for found in ngx.re.gmatch("a=1,b=2", "(\\w)=(\\d)", "jo") do
    show(found[1], found[2])
end
