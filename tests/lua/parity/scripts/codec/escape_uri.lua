-- both

local show = require "show"

show(ngx.escape_uri("a b/c?d=e&f"))
show(ngx.escape_uri("-_.~!*'()"))
show(ngx.escape_uri(",$@|`"))
show(ngx.escape_uri("\0\1\127\128\255ü"))
show(ngx.escape_uri(""))
