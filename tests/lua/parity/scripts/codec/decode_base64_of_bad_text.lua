-- serve

local show = require "show"

show(ngx.decode_base64("A"))
show(ngx.decode_base64("^*~"))
show(ngx.decode_base64("aGVs\nbG8="))
show(ngx.decode_base64("aGVsb G8="))
show(ngx.decode_base64("-_-_"))
