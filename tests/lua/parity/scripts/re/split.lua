-- serve

local re = require "ngx.re"
local show = require "show"

show(re.split("a,b,c,d", ","))
show(re.split("a,b,c,d", "(,)"))
show(re.split("abcd", ""))
show(re.split("abc", ","))
show(re.split("", ","))
show(re.split(",a,", ","))
