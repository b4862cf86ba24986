-- serve

local re = require "ngx.re"
local show = require "show"

show(re.split("a,b,c,d", ",", nil, nil, 3))
show(re.split("a,b,c,d", ",", nil, nil, 1))
show(re.split("a,b,c,d", ",", "jo", nil, 0))
show(re.split("a,b,c,d", ",", nil, { pos = 3 }))
