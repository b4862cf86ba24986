-- serve

local cjson = require "cjson"
local show = require "show"

show(cjson.decode('{"a": [1, 2.5, "x", true, false, null], "b": {}}'))
show(cjson.decode("[]"), cjson.decode('"text"'), cjson.decode("12"), cjson.decode(" true "))
show(cjson.decode("null") == cjson.null, cjson.null == ngx.null)
show(cjson.decode("[1, [2, [3]]]"))
