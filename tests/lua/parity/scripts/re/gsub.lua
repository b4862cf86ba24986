-- serve

local show = require "show"

show(ngx.re.gsub("hello, world", "([a-z])[a-z]+", "[$0,$1]", "i"))
show(ngx.re.gsub("aaa", "a", "b"))
show(ngx.re.gsub("abc", "x", "y"))
show(ngx.re.gsub("a b  c", "\\s+", "-", "jo"))
