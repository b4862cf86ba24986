-- serve

local sha512 = require "resty.sha512"
local show = require "show"
local str = require "resty.string"

local digest = sha512:new()
show(digest:update("hello"))
show(str.to_hex(digest:final()))
