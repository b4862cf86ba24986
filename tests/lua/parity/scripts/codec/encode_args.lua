-- both

local show = require "show"

show(ngx.encode_args({ foo = 3 }))
show(ngx.encode_args({ ["b r"] = "x&y" }))
show(ngx.encode_args({ flag = true }))
show(ngx.encode_args({ flag = false }))
show(ngx.encode_args({ a = { "1", 2, true } }))
show(ngx.encode_args({ a = "" }))
show(ngx.encode_args({ a = {} }))
show(ngx.encode_args({}))
