-- serve

local show = require "show"

show(ngx.unescape_uri("b%20r56+7"))
show(ngx.unescape_uri("%ua%%20%au"))
show(ngx.unescape_uri("%41%4a%4A%zz%4"))
show(ngx.unescape_uri("%2541"))
show(ngx.unescape_uri("%00%ff"))
show(ngx.unescape_uri(""), ngx.unescape_uri(nil), ngx.unescape_uri(12))
