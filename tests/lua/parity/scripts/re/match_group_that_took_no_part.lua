-- serve

local show = require "show"

local found = ngx.re.match("hello", "(x)?(h)(y)?")
show(found[0], found[1], found[2], found[3])
