-- both
-- Requests of a redis client, answered by a player: status, bulk, nothing, number, a list.

local peer = require "peer"
local show = require "show"

local sock = peer.plays("+OK\r\n$5\r\nhe\r\no\r\n$-1\r\n:42\r\n*2\r\n$1\r\na\r\n$-1\r\n-ERR no\r\n")
local read
function read()
    local line, err = sock:receive()
    if not line then
        return nil, err
    end
    local kind, rest = line:sub(1, 1), line:sub(2)
    if kind == "$" then
        local size = tonumber(rest)
        if size < 0 then
            return ngx.null
        end
        local data = sock:receive(size)
        sock:receive(2)
        return data
    elseif kind == ":" then
        return tonumber(rest)
    elseif kind == "*" then
        local list = {}
        for index = 1, tonumber(rest) do
            list[index] = read()
        end
        return list
    elseif kind == "-" then
        return false, rest
    end
    return rest
end
for _ = 1, 7 do
    show(read())
end
