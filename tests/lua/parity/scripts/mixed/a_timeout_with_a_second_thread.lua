-- both
-- The usual way to limit a whole exchange: whoever ends first wins.

local peer = require "peer"
local show = require "show"

local function limited(delay_ms, limit_s)
    local work = ngx.thread.spawn(function()
        local sock = peer.plays(delay_ms, "answer\n")
        return sock:receive()
    end)
    local limit = ngx.thread.spawn(function()
        ngx.sleep(limit_s)
        return nil, "too slow"
    end)
    local ok, answer, err = ngx.thread.wait(work, limit)
    ngx.thread.kill(work)
    ngx.thread.kill(limit)
    return ok, answer, err
end
show(limited(1, 1))
show(limited(1000, 0.03))
