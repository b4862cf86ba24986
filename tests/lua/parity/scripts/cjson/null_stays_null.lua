-- serve

local cjson = require "cjson"
local show = require "show"

local value = cjson.decode('{"a": null}')
show(value.a == ngx.null, type(value.a), tostring(value.a))
ngx.say(cjson.encode({ a = ngx.null }))
ngx.say(cjson.encode({ cjson.null }))
