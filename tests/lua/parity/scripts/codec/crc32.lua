-- serve

local show = require "show"

show(ngx.crc32_short("hello"), ngx.crc32_long("hello"))
show(ngx.crc32_short(""), ngx.crc32_long(""))
show(ngx.crc32_long(("x"):rep(1000)))
show(ngx.crc32_long("\0\255"))
