-- serve

local show = require "show"

show(loadstring("return 1 + 1")())
show(load("return ...", "chunk")(5))
show(loadstring("return +"))
show(loadstring("error('x')", "=named"))
show(pcall(loadstring("error('x')", "=named")))
