-- serve
-- Without waiting it is nil; after waiting it is false.

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new()
show(sema:wait(0))
show(sema:wait(0.005))
