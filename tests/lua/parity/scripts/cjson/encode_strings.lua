-- serve

local cjson = require "cjson"
local show = require "show"

ngx.say(cjson.encode('quote " backslash \\ slash / newline \n tab \t'))
ngx.say(cjson.encode("\0\1\31\127"))
ngx.say(cjson.encode("ü你"))
show(cjson.encode("\255"))
