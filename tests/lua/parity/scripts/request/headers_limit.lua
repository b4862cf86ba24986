-- serve
-- header: A: 1
-- header: B: 2

local show = require "show"

local headers, err = ngx.req.get_headers(2)
local count = 0
for _ in pairs(headers) do
    count = count + 1
end
show(count, err)
