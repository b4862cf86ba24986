-- serve

local show = require "show"

show(ngx.re.find("hello", "(h)", "", nil, 2))
show(ngx.re.find("hello", "(x)?h", "", nil, 1))
