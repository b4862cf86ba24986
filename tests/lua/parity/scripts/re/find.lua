-- serve

local show = require "show"

show(ngx.re.find("hello, 1234", "([0-9]+)"))
show(ngx.re.find("hello", "x"))
show(ngx.re.find("hello, 1234", "([a-z]+), ([0-9]+)", "jo", nil, 1))
show(ngx.re.find("hello, 1234", "([a-z]+), ([0-9]+)", "jo", nil, 2))
show(ngx.re.find("hello", ""))
