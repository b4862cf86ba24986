-- serve

local cjson = require "cjson.safe"
local show = require "show"

show(cjson.decode("{"))
show(cjson.encode(print))
show(cjson.decode("[1]"))
show(cjson.encode({ 1 }))
