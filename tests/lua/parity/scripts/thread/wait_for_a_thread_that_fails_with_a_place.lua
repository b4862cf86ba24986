-- serve

local show = require "show"

local thread = ngx.thread.spawn(function()
    error("oops")
end)
show(ngx.thread.wait(thread))
