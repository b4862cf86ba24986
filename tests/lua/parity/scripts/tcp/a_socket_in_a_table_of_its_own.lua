-- serve
-- A wrapper with methods of its own, as client libraries have.

local peer = require "peer"
local show = require "show"

local client = {}
client.__index = client
function client.new()
    return setmetatable({ sock = ngx.socket.tcp() }, client)
end
function client:ask(question)
    local bytes, err = self.sock:send({ question, "\n" })
    if not bytes then
        return nil, "failed to ask: " .. err
    end
    return self.sock:receive()
end
local asker = client.new()
show(asker:ask("too early"))
show(asker.sock:connect(peer.host, peer.port("echo")))
show(asker:ask("what"))
