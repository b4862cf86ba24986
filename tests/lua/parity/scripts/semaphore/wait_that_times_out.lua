-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new()
show((select(2, sema:wait(0.005))))
show(sema:count())
