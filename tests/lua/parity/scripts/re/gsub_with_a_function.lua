-- both

local show = require "show"

show(ngx.re.gsub("hello, world", "([a-z])([a-z]*)", function(found)
    return found[1]:upper() .. found[2]
end))
show(ngx.re.gsub("a1b2", "(?<digit>\\d)", function(found)
    return found.digit + 1
end))
