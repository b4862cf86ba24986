-- serve
-- header: X-MiXed: bar

local show = require "show"

local headers = ngx.req.get_headers(0, true)
show(headers["X-MiXed"], headers["x-mixed"])
show(getmetatable(headers))
