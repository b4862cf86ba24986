-- serve

local show = require "show"

local found, err = ngx.re.match("a\255b", "b", "u")
show(found, err ~= nil)
