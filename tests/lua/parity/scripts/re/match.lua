-- serve

local show = require "show"

show(ngx.re.match("hello, 1234", "[0-9]+"))
show(ngx.re.match("hello, 1234", "([0-9])([0-9]+)"))
show(ngx.re.match("hello", "x"))
show(ngx.re.match("", ""))
