-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:flush_expired()
for index = 1, 5 do
    dict:set("key" .. index, index, 0.05)
end
dict:set("stays", 6)
show(dict:flush_expired())
ngx.sleep(0.08)
show(dict:flush_expired(2))
show(dict:flush_expired())
show(dict:flush_expired())
show(dict:get("stays"))
