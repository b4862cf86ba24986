-- serve

local show = require "show"

show(ngx.decode_base64("YQ==YQ=="))
show(ngx.decode_base64("="))
show(ngx.decode_base64("YWI=$$$"))
