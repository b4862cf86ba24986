-- serve

local show = require "show"

local iterator, err = ngx.re.gmatch("hello", "(abc")
show(iterator, err ~= nil)
