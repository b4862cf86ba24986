-- serve

local show = require "show"

show(ngx.decode_args("a=1&b=2"))
show(ngx.decode_args("a=1&a=2&a=3"))
show(ngx.decode_args("flag&b="))
show(ngx.decode_args("a%20b=c+d&%26=%3D"))
show(ngx.decode_args(""))
show(ngx.decode_args("&&=x&a==b&"))
