-- serve

local show = require "show"

show(ngx.encode_base64(32), ngx.encode_base64(3.14), ngx.encode_base64(nil))
show(ngx.encode_base64(true), ngx.encode_base64(false))
