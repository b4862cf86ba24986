-- serve

local show = require "show"

local cjson = require("cjson").new()
show(cjson.encode_number_precision())
ngx.say(cjson.encode(1 / 3))
show(cjson.encode_number_precision(3))
ngx.say(cjson.encode(1 / 3))
