-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.plays(("x"):rep(20000) .. "--abc" .. "rest")
local reader = sock:receiveuntil("--abc")
local data = reader()
show(#data, data == ("x"):rep(20000))
show(sock:receive("*a"))
