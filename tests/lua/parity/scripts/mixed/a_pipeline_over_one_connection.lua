-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
local questions = {}
for index = 1, 5 do
    questions[index] = { "question ", index, "\n" }
end
show(sock:send(questions))
for _ = 1, 5 do
    show(sock:receive())
end
