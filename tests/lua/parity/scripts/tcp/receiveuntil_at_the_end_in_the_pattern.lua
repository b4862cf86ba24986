-- serve
-- The bytes that may begin the pattern are lost at the end of the stream.

local peer = require "peer"
local show = require "show"

local sock = peer.plays("foo--a")
local reader = sock:receiveuntil("--abc")
show(reader())
