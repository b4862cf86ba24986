-- serve
-- shows: status

local nothing
ngx.say(nothing.field)
