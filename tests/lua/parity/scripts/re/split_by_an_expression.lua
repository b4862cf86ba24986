-- serve

local re = require "ngx.re"
local show = require "show"

show(re.split("a1b22c", "[0-9]+"))
show(re.split("aXbxc", "x", "i"))
show(re.split("k = v ; k2=v2", "\\s*([=;])\\s*"))
