-- serve
-- The last value is the message; what is before it differs from run to run.

local show = require "show"

local thread = ngx.thread.spawn(function()
    ngx.sleep(0.001)
    local nothing
    return nothing.field
end)
show((select(-1, ngx.thread.wait(thread))))
