-- serve

local aes = require "resty.aes"
local show = require "show"
local str = require "resty.string"

local cipher = aes:new("AKeyForAES")
local secret = cipher:encrypt("a message that is secret")
ngx.say(str.to_hex(secret))
show(cipher:decrypt(secret))
