-- serve

local show = require "show"

show(ngx.re.gsub("abc", "", "-"))
show(ngx.re.gsub("a1b", "[0-9]*", "-"))
show(ngx.re.gsub("hello", "x*", "-"))
