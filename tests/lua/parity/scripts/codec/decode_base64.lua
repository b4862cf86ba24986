-- serve

local show = require "show"

show(ngx.decode_base64("aGVsbG8="))
show(ngx.decode_base64("aGVsbG8"))
show(ngx.decode_base64(""))
show(ngx.decode_base64("AP/+"))
