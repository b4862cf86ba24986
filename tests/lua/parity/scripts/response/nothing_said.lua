-- serve
-- shows: Content-Type, body

local nothing = ngx.ctx
nothing.done = true
