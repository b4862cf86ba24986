-- serve

local show = require "show"

show(ngx.re.match("你好", "."))
show(ngx.re.match("你好", ".", "u"))
show(ngx.re.match("你好", "^.{2}$", "u"))
