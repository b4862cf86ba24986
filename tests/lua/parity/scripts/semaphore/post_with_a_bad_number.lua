-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new()
for _, number in ipairs({ 0, -1 }) do
    show.raised(function()
        local ok = sema:post(number)
        return ok
    end)
end
show(sema:count())
