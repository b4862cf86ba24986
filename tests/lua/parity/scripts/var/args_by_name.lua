-- serve
-- request: GET {script}?name=value&B=upper&empty=&flag&n%61=coded&name=again HTTP/1.1

local show = require "show"

local var = ngx.var
show(var.arg_name, var.arg_NAME, var.arg_b, var.arg_empty, var.arg_flag, var.arg_missing, var.arg_na)
