-- serve

local show = require "show"

show(type(ngx.worker.pid()), type(ngx.worker.id()), ngx.worker.count() >= 1, ngx.worker.exiting())
show(ngx.worker.id())
