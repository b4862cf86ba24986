-- serve

local aes = require "resty.aes"
local show = require "show"
local str = require "resty.string"

local cipher = aes:new("0123456789abcdef", nil, aes.cipher(128, "cbc"), { iv = "fedcba9876543210" })
local secret = cipher:encrypt("a message")
ngx.say(str.to_hex(secret))
show(cipher:decrypt(secret))
