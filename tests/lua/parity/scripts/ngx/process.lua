-- serve

local process = require "ngx.process"
local show = require "show"

show(type(process.type()), type(process.get_master_pid()))
