-- serve

local aes = require "resty.aes"
local show = require "show"

local cipher = aes:new("0123456789abcdef", nil, aes.cipher(128, "cbc"), { iv = "fedcba9876543210" })
show(cipher:decrypt("no whole block"))
local short, err = aes:new("0123456789abcdef", nil, aes.cipher(128, "cbc"), { iv = "short" })
show(short ~= nil, err)
