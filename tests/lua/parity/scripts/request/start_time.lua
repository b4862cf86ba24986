-- serve

local show = require "show"

ngx.update_time()
local passed = ngx.now() - ngx.req.start_time()
show(passed >= 0 and passed < 5)
