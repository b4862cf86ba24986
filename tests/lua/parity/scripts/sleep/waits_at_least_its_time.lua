-- both

local show = require "show"

ngx.update_time()
local begin = ngx.now()
ngx.sleep(0.02)
ngx.update_time()
local passed = ngx.now() - begin
show(passed >= 0.019, passed < 1)
