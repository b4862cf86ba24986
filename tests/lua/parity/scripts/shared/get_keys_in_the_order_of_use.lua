-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:flush_expired()
for _, key in ipairs({ "a", "b", "c" }) do
    dict:set(key, 1)
end
show(dict:get_keys())
dict:get("a")
show(dict:get_keys())
