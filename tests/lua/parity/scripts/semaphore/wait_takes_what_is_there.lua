-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new(2)
show(sema:wait(0))
show(sema:wait(1))
show(sema:wait(0))
show(sema:count())
