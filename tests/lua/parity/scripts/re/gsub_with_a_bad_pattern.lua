-- serve

local show = require "show"

local text, count, err = ngx.re.gsub("abc", "(b", "x")
show(text, count, err ~= nil)
