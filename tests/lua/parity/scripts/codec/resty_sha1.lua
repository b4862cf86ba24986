-- serve

local sha1 = require "resty.sha1"
local show = require "show"
local str = require "resty.string"

local digest = sha1:new()
show(digest:update("hello"))
show(str.to_hex(digest:final()))
show(digest:reset())
show(str.to_hex(digest:final()))
