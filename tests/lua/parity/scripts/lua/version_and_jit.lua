-- serve

local show = require "show"

show(_VERSION, jit.version_num >= 20100, (jit.status()))
show(type(require("ffi").cast), type(require("jit")))
