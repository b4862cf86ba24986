-- serve

local sha256 = require "resty.sha256"
local show = require "show"
local str = require "resty.string"

local digest = sha256:new()
show(digest:update("hello"))
show(str.to_hex(digest:final()))
