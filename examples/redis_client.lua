-- A redis client in forty lines: pipelining, every kind of reply, connections kept for the next call.
--
--     lasa run examples/redis_client.lua 127.0.0.1:6379
--
-- It sets and deletes keys that begin with "lasa:example:". redis_client.py is the same in Python, line by line.

local TIMEOUT_MS = 2000
local IDLE_MS = 10000

local RedisError = {} -- an error reply: it answers one command only, so it is returned in that command's place

-- As assert(), but without a place in front of the message.
local function check(value, err)
    if value == nil then error(err, 0) end
    return value
end

-- Return a command as a nested table: send() takes it as it is, numbers included.
local function encode(command)
    local words = {}
    for i, word in ipairs(command) do
        words[i] = { "$", #tostring(word), "\r\n", word, "\r\n" }
    end
    return { "*", #command, "\r\n", words }
end

local function read_reply(sock)
    local line = check(sock:receive())
    local kind, rest = line:sub(1, 1), line:sub(2)
    if kind == "+" then
        return rest
    elseif kind == "-" then
        return setmetatable({ rest }, RedisError)
    elseif kind == ":" then
        return tonumber(rest)
    elseif kind == "$" and tonumber(rest) >= 0 then
        local data = check(sock:receive(tonumber(rest)))
        check(sock:receive(2)) -- the CR LF behind it
        return data
    elseif kind == "*" and tonumber(rest) >= 0 then
        local replies = {}
        for i = 1, tonumber(rest) do replies[i] = read_reply(sock) end
        return replies
    elseif kind == "$" or kind == "*" then
        return ngx.null
    end
    error("this is not redis: " .. line, 0)
end

-- Send all commands at once, and return their replies: one round trip, however many they are.
local function call(host, port, commands)
    local sock = ngx.socket.tcp()
    sock:settimeout(TIMEOUT_MS)
    check(sock:connect(host, port))
    local requests = {}
    for i, command in ipairs(commands) do requests[i] = encode(command) end
    check(sock:send(requests))
    local replies = {}
    for i = 1, #commands do replies[i] = read_reply(sock) end
    sock:setkeepalive(IDLE_MS) -- the next call finds it; after an error we do not get here, and it is closed
    return replies
end

local function shown(reply)
    if reply == ngx.null then return "null" end
    if type(reply) == "string" then return '"' .. reply:gsub("\r", "\\r"):gsub("\n", "\\n") .. '"' end
    if type(reply) == "number" then return tostring(reply) end
    if getmetatable(reply) == RedisError then return "error: " .. reply[1] end
    local parts = {}
    for i, each in ipairs(reply) do parts[i] = shown(each) end
    return "{ " .. table.concat(parts, ", ") .. " }"
end

local function main(address)
    local host, port = address:match("^(.*):(%d+)$")
    local greeting, visits, fruit = "lasa:example:greeting", "lasa:example:visits", "lasa:example:fruit"
    local commands = {
        { "PING" },
        { "SET", greeting, "two lines,\r\nsent as they are" },
        { "GET", greeting },
        { "INCRBY", visits, 41 },
        { "INCR", visits },
        { "RPUSH", fruit, "apple", "banana", "cherry" },
        { "LRANGE", fruit, 0, -1 },
        { "INCR", fruit },
        { "DEL", greeting, visits, fruit },
        { "GET", greeting },
    }
    local ok, replies = pcall(call, host, port, commands)
    if not ok then
        io.stderr:write("redis at ", address, ": ", replies, "\n")
        os.exit(1)
    end
    for i, command in ipairs(commands) do ngx.say(command[1], " -> ", shown(replies[i])) end
    local sock = check(ngx.socket.connect(host, port))
    ngx.say("the connection was used again: ", sock:getreusedtimes() == 1)
    sock:close()
end

main(arg[1] or "127.0.0.1:6379")
