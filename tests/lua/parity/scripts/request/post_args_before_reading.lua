-- serve
-- request: POST {script} HTTP/1.1
-- body: a=1

local show = require "show"

show.raised(function()
    local args = ngx.req.get_post_args()
    return args
end)
