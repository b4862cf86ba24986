-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new()
show.raised(function()
    local ok = sema:wait(-1)
    return ok
end)
show((pcall(sema.wait, sema)))
show((pcall(sema.wait, sema, "x")))
