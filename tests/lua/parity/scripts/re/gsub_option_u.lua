-- serve

local show = require "show"

show(ngx.re.gsub("你好吗", ".", "$0 ", "u"))
