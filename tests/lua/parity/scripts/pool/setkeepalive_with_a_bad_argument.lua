-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo", { pool = "setkeepalive_with_a_bad_argument" })
show.raised(function()
    local ok, err = sock:setkeepalive("x")
    return ok, err
end)
