-- serve

local re = require "ngx.re"
local show = require "show"

local result = { "x", "x", "x", "x", "x" }
show(re.split("a b", " ", nil, nil, nil, result) == result, result)
