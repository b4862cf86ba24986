-- serve

local show = require "show"

local thread = ngx.thread.spawn(function() end)
show(ngx.thread.kill(thread))
show(coroutine.status(thread))
show(ngx.thread.kill(thread))
