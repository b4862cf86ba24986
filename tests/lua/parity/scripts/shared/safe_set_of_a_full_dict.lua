-- serve

local show = require "show"

local dict = ngx.shared.small
dict:flush_all()
dict:flush_expired()
local value = ("x"):rep(200)
for index = 1, 1000 do
    local ok, err = dict:safe_set("key" .. index, value)
    if not ok then
        show(ok, err)
        break
    end
end
show(dict:get("key1") == value)
show(dict:safe_add("key1", "x"))
