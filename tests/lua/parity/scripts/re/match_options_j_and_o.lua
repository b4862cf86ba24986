-- serve

local show = require "show"

for _ = 1, 3 do
    show(ngx.re.match("hello, 1234", "[0-9]+", "jo"))
end
