-- serve

local show = require "show"

local dict = ngx.shared.small
dict:flush_all()
dict:flush_expired()
local value = ("x"):rep(200)
local forced
for index = 1, 1000 do
    local ok, err, forcible = dict:set("key" .. index, value)
    if not ok or forcible then
        forced = { ok, err, forcible }
        break
    end
end
show(forced)
show(dict:get("key1"))
