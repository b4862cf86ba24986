-- serve

local show = require "show"

show(type(ngx.timer.pending_count()), type(ngx.timer.running_count()))
