-- serve

local show = require "show"

show(ngx.re.match("foobar", "foo(?=bar)"))
show(ngx.re.match("foobar", "(?<=foo)bar"))
show(ngx.re.match("abab", "(ab)\\1"))
show(ngx.re.match("foobaz", "foo(?!bar)"))
show(ngx.re.match("aaa", "a+?"))
show(ngx.re.match("((a)(b))", "\\((?:[^()]|(?R))*\\)"))
