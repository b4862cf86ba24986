-- both

local md5 = require "resty.md5"
local show = require "show"
local str = require "resty.string"

local digest = md5:new()
show(digest:update("hel"))
show(digest:update("lo"))
show(str.to_hex(digest:final()))
digest:reset()
digest:update("again")
show(str.to_hex(digest:final()))
