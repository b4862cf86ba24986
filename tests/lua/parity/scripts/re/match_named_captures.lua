-- both

local show = require "show"

local found = ngx.re.match("hello, 1234", "(?<word>[a-z]+), (?<number>[0-9]+)")
show(found.word, found.number, found[1], found[2])
found = ngx.re.match("b", "(?<one>a)|(?<two>b)")
show(found.one, found.two)
