-- serve

local cjson = require "cjson"
local show = require "show"

show(cjson.decode('"\\u0041\\n\\t\\"\\\\\\/\\u00fc\\u4f60"'))
show(cjson.decode('"\\ud83d\\ude00"'))
show(cjson.decode('"\\u0000"'))
