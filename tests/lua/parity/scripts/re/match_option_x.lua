-- serve

local show = require "show"

show(ngx.re.match("ab12", "[a-z]+ [0-9]+", "x"))
show(ngx.re.match("ab12", "[a-z]+ # letters\n [0-9]+", "x"))
