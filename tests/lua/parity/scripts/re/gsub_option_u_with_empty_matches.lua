-- serve
-- It steps by bytes, into the middle of a character.

local show = require "show"

local text, count, err = ngx.re.gsub("你好", "", "|", "u")
show(text, count, err ~= nil)
