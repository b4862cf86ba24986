-- serve

local show = require "show"

local dict = ngx.shared.small
dict:flush_all()
dict:flush_expired()
show(dict:set("key", ("x"):rep(100000)))
show(dict:safe_set("key", ("x"):rep(100000)))
