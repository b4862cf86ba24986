-- serve

local show = require "show"

show(ngx.escape_uri(nil), ngx.escape_uri(32), ngx.escape_uri(true), ngx.escape_uri(3.5))
