-- serve

local cjson = require "cjson"

ngx.say(cjson.encode({ 1, 1.5, -3, 0, 1e15, 1e20, 0.1, 1 / 3, 2 ^ 53, 123456789012 }))
