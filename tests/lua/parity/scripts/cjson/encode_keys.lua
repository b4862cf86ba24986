-- serve

local cjson = require "cjson"

ngx.say(cjson.encode({ [1.5] = "a" }))
ngx.say(cjson.encode({ ["1"] = "a" }))
ngx.say(cjson.encode({ [-1] = "a" }))
