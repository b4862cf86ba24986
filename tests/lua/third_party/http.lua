-- An HTTP client of our own against nginx, as no package has lua-resty-http: plain and by TLS, over kept cosockets,
-- with bodies that are sent and read as they come.

local PORT, TLS_PORT = tonumber(arg[2]), tonumber(arg[3])

local case, equal, all, peer = require "cases" ()

local HOST = "127.0.0.1"

local function connect(options)
    options = options or {}
    local sock = ngx.socket.tcp()
    sock:settimeouts(5000, 5000, options.timeout or 5000)
    local port = options.port or options.tls and TLS_PORT or PORT
    local pool = { pool = options.pool, pool_size = options.pool_size, backlog = options.backlog }
    local ok, err = sock:connect(HOST, port, pool)
    if not ok then return nil, err end
    local session
    if options.tls and sock:getreusedtimes() == 0 then
        session, err = sock:sslhandshake(options.session, options.tls, options.verifies)
        if not session then return nil, err end
    end
    return sock, nil, session
end

local function ask(sock, method, path, headers)
    return sock:send { method, " ", path, " HTTP/1.1\r\nHost: localhost\r\n", headers or "", "\r\n" }
end

-- Return status, headers and a function that returns the body in pieces of at most `size` bytes.
local function answer(sock)
    local line, err = sock:receive()
    if not line then return nil, err end
    local status, headers = tonumber(line:match "^HTTP/1%.1 (%d+)"), {}
    while true do
        line, err = sock:receive()
        if not line then return nil, err end
        if line == "" then break end
        local name, value = line:match "^([^:]+):%s*(.*)$"
        headers[name:lower()] = value
    end
    local left = tonumber(headers["content-length"])
    local is_chunked = headers["transfer-encoding"] == "chunked"
    local function read(size)
        if is_chunked and (left or 0) == 0 then
            local head = assert(sock:receive())
            left = assert(tonumber(head, 16), "no chunk: " .. head)
            if left == 0 then
                is_chunked = false
                assert(sock:receive())
                return nil
            end
        end
        if left == 0 then return nil end
        if not left then
            local data, why, partial = sock:receive(size)
            if data or why ~= "closed" then return data, why end
            left = 0
            return partial ~= "" and partial or nil
        end
        local data, why = sock:receive(math.min(size, left))
        if not data then return nil, why end
        left = left - #data
        if is_chunked and left == 0 then assert(sock:receive()) end
        return data
    end
    return status, headers, coroutine.wrap(function(size)
        while true do size = coroutine.yield(read(size)) end
    end)
end

local function read_all(body, size)
    local pieces = {}
    while true do
        local data, err = body(size or 65536)
        if err then return nil, err end
        if not data then return table.concat(pieces) end
        assert(#data <= (size or 65536))
        pieces[#pieces + 1] = data
    end
end

local function get(sock, path, headers)
    local ok, err = ask(sock, "GET", path, headers)
    if not ok then return nil, err end
    local status, found, body = answer(sock)
    if not status then return nil, found end
    local data
    data, err = read_all(body)
    if not data then return nil, err end
    return data, status, found
end

-- A megabyte: each byte of 0 to 255, and that 4096 times.
local BYTES = {}
for i = 0, 255 do BYTES[i + 1] = string.char(i) end
local MEGABYTE_MD5 = ngx.md5(table.concat(BYTES):rep(4096))

case("a megabyte by its length, in chunks and to the end, read in pieces of any size", function()
    for _, folder in ipairs { "files", "chunked", "unframed" } do
        for _, size in ipairs { 777, 8192, 1048577 } do
            local sock = assert(connect())
            assert(ask(sock, "GET", "/" .. folder .. "/1m.bin"))
            local status, _, body = answer(sock)
            equal(status, 200)
            equal(ngx.md5(assert(read_all(body, size))), MEGABYTE_MD5)
            sock:close()
        end
    end
end)

case("TLS: the name is checked if asked for, and kept connections need no other handshake", function()
    equal({ connect { tls = "elsewhere", verifies = true } }, { nil, "certificate host mismatch" })
    local sock = assert(connect { tls = "elsewhere" })
    equal(get(sock, "/files/hello.txt"), "Hello, world!")
    sock:close()
    local numbers = {}
    for i = 1, 3 do
        sock = assert(connect { tls = "localhost", verifies = true, pool = "tls" })
        equal(sock:getreusedtimes(), i - 1)
        numbers[i] = get(sock, "/connection"):match "^%d+"
        equal(sock:setkeepalive(10000, 5), 1)
    end
    equal({ numbers[2], numbers[3] }, { numbers[1], numbers[1] })
end)

case("TLS: a session is taken up again, and eight megabytes come through", function()
    local sock, _, session = connect { tls = "localhost", verifies = true }
    equal(#assert(get(sock, "/files/8m.bin")), 8388608)
    sock:close()
    equal(type(session), "cdata")
    sock = assert(connect { tls = "localhost", verifies = true, session = session })
    equal(get(sock, "/files/hello.txt"), "Hello, world!")
    sock:close()
end)

case("TLS to a port without, and none to a port with it", function()
    equal({ connect { tls = "localhost", port = PORT } }, { nil, "handshake failed" })
    local sock = assert(connect { port = TLS_PORT })
    local _, status = get(sock, "/")
    equal(status, 400)
    sock:close()
end)

case("a body sent in chunks, and one after 100 Continue", function()
    local sock = assert(connect())
    assert(ask(sock, "PUT", "/uploads/chunks", "Transfer-Encoding: chunked\r\n"))
    for i = 1, 100 do assert(sock:send { "A\r\n", ("%010d"):format(i), "\r\n" }) end
    assert(sock:send "0\r\n\r\n")
    equal(answer(sock), 201)
    equal(#assert(get(sock, "/uploads/chunks")), 1000)
    assert(ask(sock, "PUT", "/uploads/waited", "Expect: 100-continue\r\nContent-Length: 4\r\n"))
    equal(answer(sock), 100)
    assert(sock:send "data")
    equal(answer(sock), 201)
    equal(get(sock, "/uploads/waited"), "data")
    sock:close()
end)

case("a hundred requests ahead of their answers", function()
    local sock = assert(connect())
    local requests = {}
    for i = 1, 100 do requests[i] = { "GET /echo?", i, " HTTP/1.1\r\nHost: h\r\n\r\n" } end
    assert(sock:send(requests))
    for i = 1, 100 do
        local _, _, body = answer(sock)
        equal(read_all(body), "GET||/echo?" .. i .. "|h")
    end
    equal(sock:setkeepalive(1000, 5), 1)
end)

case("a connection with unread data, or one that the server ends, is not kept", function()
    local sock = assert(connect())
    assert(ask(sock, "GET", "/files/8m.bin"))
    equal(answer(sock), 200)
    local ok, err = sock:setkeepalive(1000, 5)
    equal({ ok, err == "unread data in buffer" or err == "connection in dubious state" }, { nil, true })
    sock = assert(connect { pool = "brief" })
    equal(get(sock, "/brief") ~= nil, true)
    equal(sock:setkeepalive(10000, 5), 1)
    ngx.sleep(0.1)
    sock = assert(connect { pool = "brief" })
    equal(sock:getreusedtimes(), 0)
    sock:close()
end)

case("thirty light threads wait for one of five connections", function()
    local function work(number)
        return function()
            for i = 1, 5 do
                local sock = assert(connect { pool = "few", pool_size = 5, backlog = 100 })
                equal(get(sock, "/echo?" .. number .. "-" .. i), "GET||/echo?" .. number .. "-" .. i .. "|localhost")
                assert(sock:setkeepalive(10000))
            end
        end
    end
    local workers = {}
    for i = 1, 30 do workers[i] = work(i) end
    all(unpack(workers))
end)

case("a server that is slow, ends in the middle, or is not there", function()
    local port = peer(function(sock)
        sock:receiveuntil "\r\n\r\n" ()
        sock:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
    end)
    local sock = assert(connect { port = port })
    equal({ get(sock, "/") }, { nil, "closed" })
    port = peer(function(sock2) sock2:receive "*a" end)
    sock = assert(connect { port = port, timeout = 20 })
    equal({ get(sock, "/") }, { nil, "timeout" })
    sock:close()
    local server = lasa.socket.tcp()
    assert(server:bind(HOST, 0))
    local _, nobody = server:getsockname()
    server:close()
    equal({ connect { port = nobody } }, { nil, "connection refused" })
end)
