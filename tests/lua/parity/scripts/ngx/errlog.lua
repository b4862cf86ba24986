-- serve

local errlog = require "ngx.errlog"
local show = require "show"

show(type(errlog.get_sys_filter_level()))
show(errlog.raw_log(ngx.INFO, "text"))
show.raised(function()
    errlog.raw_log(100, "text")
end)
