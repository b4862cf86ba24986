-- serve

local show = require "show"

ngx.update_time()
local now = ngx.now()
show(math.abs(now * 1000 - math.floor(now * 1000 + 0.5)) < 0.01)
show(now - ngx.time() < 2, now >= ngx.time())
show(math.abs(os.time() - ngx.time()) <= 1)
