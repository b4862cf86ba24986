-- The content handler of both servers: runs the script that the URI names, /AREA/NAME.lua with anything behind it.
-- The folder of the scripts is the current one, so that both sides give the same short names in messages.

local name = ngx.var.uri:match("^/([%w_/]+%.lua)")
local script = assert(loadfile(name))
script()
