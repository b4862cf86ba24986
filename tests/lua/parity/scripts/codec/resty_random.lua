-- serve

local random = require "resty.random"
local show = require "show"

show(#random.bytes(16), #random.bytes(5, true), random.bytes(16) ~= random.bytes(16))
