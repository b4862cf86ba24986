-- serve

local show = require "show"

show(ngx.re.sub("hello, 1234", "(\\d)(\\d)", function(found)
    return "[" .. found[0] .. "|" .. found[1] .. "|" .. found[2] .. "]"
end))
show(ngx.re.sub("hello", "l", function()
    return "$0"
end))
show(ngx.re.sub("hello", "l", function()
    return 5
end))
