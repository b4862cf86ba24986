-- serve

local show = require "show"

show(("x"):rep(3, ","), ("abc"):byte(1, -1))
show(("%5.2f|%-5s|%05d|%q|%x"):format(3.14159, "ab", 42, 'a"\n', 255))
show(("key = value"):match("^(%w+)%s*=%s*(%w+)$"))
show(("abc"):find("b", 1, true), ("a.b"):gsub("%.", "-"))
show(("%s %s"):format(nil, true))
