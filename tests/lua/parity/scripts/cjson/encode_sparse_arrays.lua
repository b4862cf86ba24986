-- serve

local cjson = require "cjson"
local show = require "show"

ngx.say(cjson.encode({ [3] = "c" }))
show.raised(function()
    local text = cjson.encode({ [100] = 1 })
    return text
end)
local converting = cjson.new()
show(converting.encode_sparse_array(true, 2, 3))
ngx.say(converting.encode({ [100] = 1 }))
