-- serve

local show = require "show"

show(ngx.get_phase())
