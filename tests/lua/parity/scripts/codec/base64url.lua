-- serve

local base64 = require "ngx.base64"
local show = require "show"

show(base64.encode_base64url("\255\254\253a"))
show(base64.encode_base64url(""))
show(base64.decode_base64url("__79YQ"))
show(base64.decode_base64url("a+b"))
show(base64.decode_base64url("A"))
show(base64.decode_base64url(1))
show(base64.encode_base64url(1))
