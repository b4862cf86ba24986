-- serve

local show = require "show"

show(type(coroutine.isyieldable))
