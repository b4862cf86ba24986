-- serve

local cjson = require "cjson"
local show = require "show"

show(cjson._NAME)
show(type(cjson.new), type(cjson.encode_keep_buffer), type(cjson.decode_max_depth))
show(cjson.encode_max_depth(), cjson.decode_max_depth(), cjson.encode_keep_buffer())
