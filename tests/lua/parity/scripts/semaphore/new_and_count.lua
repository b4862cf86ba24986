-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

show(semaphore.new():count())
show(semaphore.new(3):count())
show.raised(function()
    local sema = semaphore.new(-1)
    return sema
end)
