-- serve

local cjson = require "cjson"

local text = '{"list":[1,2,[3,{"x":"y"}]]}'
ngx.say(cjson.encode(cjson.decode(text)) == text)
