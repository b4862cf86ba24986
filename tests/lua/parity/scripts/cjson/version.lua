-- serve

local cjson = require "cjson"
local show = require "show"

show(cjson._VERSION)
