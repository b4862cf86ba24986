-- serve

local show = require "show"

show.raised(function()
    local ok, err = ngx.run_worker_thread("no-such-pool", "module", "f")
    return ok, err
end)
