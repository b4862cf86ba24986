-- serve

local show = require "show"

show(ngx.re.sub("hello, 1234", "[0-9]", "$$"))
show(ngx.re.sub("hello, 1234", "([0-9])", "${1}00"))
show(ngx.re.sub("hello, 1234", "([0-9])", "$2"))
show(ngx.re.sub("hello", "(h)(e)", "$2$1"))
