-- serve

local re = require "ngx.re"
local show = require "show"

local parts, err = re.split("a,b", "(,")
show(parts, err ~= nil)
