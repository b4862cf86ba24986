-- lua_redis.lua HOST PORT CONNECTIONS WARM_UP COUNT: asks redis-server so often over each connection, each in a light
-- thread of its own, and says the CPU and wall time of it in seconds. The same file runs in lasa and in OpenResty.

local host, port, connections, warm_up, count = ...
connections = tonumber(connections)

local function client(sock, times)
    for _ = 1, times do
        sock:send("PING\r\n")
        local line, err = sock:receive("*l")
        if line ~= "+PONG" then error(err or line) end
    end
end

local function run(socks, times)
    local threads = {}
    for i, sock in ipairs(socks) do threads[i] = assert(ngx.thread.spawn(client, sock, times)) end
    for _, thread in ipairs(threads) do
        local ok, err = ngx.thread.wait(thread)
        if not ok then error(err) end
    end
end

local socks = {}
for i = 1, connections do
    socks[i] = ngx.socket.tcp()
    socks[i]:settimeout(30000)
    assert(socks[i]:connect(host, tonumber(port)))
end

run(socks, tonumber(warm_up))
collectgarbage()
ngx.update_time()
local wall_s, cpu_s = ngx.now(), os.clock()
run(socks, tonumber(count))
cpu_s = os.clock() - cpu_s
ngx.update_time()
ngx.say(cpu_s, " ", ngx.now() - wall_s)
