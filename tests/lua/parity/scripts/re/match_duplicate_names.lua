-- serve

local show = require "show"

local found = ngx.re.match("hello, world", "(?<named>\\w+), (?<named>\\w+)", "D")
show(found)
