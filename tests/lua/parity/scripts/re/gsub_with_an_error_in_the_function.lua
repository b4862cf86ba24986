-- serve

local show = require "show"

show(pcall(ngx.re.gsub, "abc", "b", function()
    error("oops", 0)
end))
show((pcall(ngx.re.gsub, "abc", "b", function()
    return {}
end)))
