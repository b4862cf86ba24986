-- serve

local show = require "show"

show(ngx.re.match("aaab", "a++b"))
show(ngx.re.match("aaa", "a++a"))
show(ngx.re.match("aaab", "(?>a+)b"))
show(ngx.re.match("foo123", "\\p{L}+", "u"))
show(ngx.re.match("ab\ncd", "b\\R.d"))
show(ngx.re.match("foobar", "foo\\Kbar"))
