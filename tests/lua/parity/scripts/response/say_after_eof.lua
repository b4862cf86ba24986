-- serve

local show = require "show"

ngx.say("the end")
ngx.eof()
ngx.ctx.result = show.text(ngx.say("more"))
local dict = ngx.shared.dict
dict:set("say_after_eof", ngx.ctx.result)
