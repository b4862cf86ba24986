-- serve
-- request: GET {script}?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y&z HTTP/1.1

local show = require "show"

local args, err = ngx.req.get_uri_args()
local count = 0
for _ in pairs(args) do
    count = count + 1
end
show(count, err)
