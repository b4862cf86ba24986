-- serve

local cjson = require "cjson"
local show = require "show"

show(cjson.decode('{"a": 1, "a": 2}'))
show(cjson.decode('{"1": "a", "": "b"}'))
