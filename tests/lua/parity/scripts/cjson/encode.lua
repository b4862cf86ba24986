-- both

local cjson = require "cjson"
local show = require "show"

show(cjson.encode({ 1, 2, "three", true, false }))
show(cjson.encode({ a = 1 }))
show(cjson.encode("text"), cjson.encode(1), cjson.encode(true), cjson.encode(nil), cjson.encode(cjson.null))
show(cjson.encode({}), cjson.encode({ {} }))
show(cjson.encode({ a = { b = { c = {} } } }))
