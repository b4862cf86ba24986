-- serve

local show = require "show"

show(ngx.re.sub("hello, 1234", "([0-9])[0-9]", "[$0][$1]"))
show(ngx.re.sub("hello", "x", "y"))
show(ngx.re.sub("hello", "l", "L"))
show(ngx.re.sub("", "", "x"))
