-- serve

local show = require "show"

local thread = ngx.thread.spawn(function() end)
show(ngx.thread.wait(thread))
show(ngx.thread.kill(thread))
