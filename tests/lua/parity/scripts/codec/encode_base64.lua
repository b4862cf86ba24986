-- serve

local show = require "show"

show(ngx.encode_base64("hello"))
show(ngx.encode_base64(""))
show(ngx.encode_base64("a"), ngx.encode_base64("ab"), ngx.encode_base64("abc"))
show(ngx.encode_base64("\0\255\254"))
