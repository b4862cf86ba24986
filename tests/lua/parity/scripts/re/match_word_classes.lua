-- serve

local show = require "show"

show(ngx.re.match("héllo wörld", "\\w+"))
show(ngx.re.match("tab\there", "\\s"))
show(ngx.re.match("x=5;", "[[:digit:]]"))
show(ngx.re.match("a.b", "\\Qa.b\\E"))
