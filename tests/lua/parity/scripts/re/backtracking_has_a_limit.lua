-- serve

local show = require "show"

local text = ("a"):rep(40) .. "b"
local found, err = ngx.re.match(text, "^(a+)+$")
show(found, err ~= nil)
