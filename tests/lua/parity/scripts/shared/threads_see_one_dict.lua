-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
local thread = ngx.thread.spawn(function()
    ngx.sleep(0.002)
    dict:set("from", "the thread")
end)
show(dict:get("from"))
ngx.thread.wait(thread)
show(dict:get("from"))
