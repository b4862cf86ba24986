-- lua-resty-websocket: its client against its server under `lasa serve`, and each of them against lasa's own.

local PREFIX, PORT, CERTIFICATE = arg[1], tonumber(arg[2]), arg[3]

local client = require(PREFIX .. "websocket.client")
local case, equal, all = require "cases" ()

local BINARY = "\0\1\r\n\255" .. ("\0\r\n"):rep(100)
local MEGABYTE = ("0123456789\0abcde"):rep(65536)

local function url(path) return ("ws://127.0.0.1:%d%s?prefix=%s"):format(PORT, path, PREFIX) end

local function connect(path, options, connect_options)
    local wb = assert(client:new(options))
    wb:set_timeout(5000)
    assert(wb:connect(url(path), connect_options))
    return wb
end

local function close(wb)
    assert(wb:send_close(1000, "done"))
    equal({ wb:recv_frame() }, { "done", "close", 1000 })
    equal({ wb:send_text("late") }, { nil, "already closed" })
    equal(wb:close(), 1)
end

-- ---- the library's client and server --------------------------------------------------------------------------------

case("messages of every size come back as they went", function()
    local wb = connect("/echo", { max_payload_len = 2000000 })
    for _, size in ipairs { 0, 1, 125, 126, 65535, 65536 } do
        local text = ("x"):rep(size)
        assert(wb:send_text(text))
        equal({ wb:recv_frame() }, { text, "text" })
    end
    assert(wb:send_binary(BINARY))
    equal({ wb:recv_frame() }, { BINARY, "binary" })
    assert(wb:send_binary(MEGABYTE))
    local data, kind = wb:recv_frame()
    equal({ data == MEGABYTE, kind }, { true, "binary" })
    close(wb)
end)

case("a message in pieces with a ping between them", function()
    local wb = connect("/echo")
    assert(wb:send_frame(false, 1, "one "))
    assert(wb:send_ping("ping"))
    assert(wb:send_frame(false, 0, "two "))
    assert(wb:send_frame(true, 0, "three"))
    equal({ wb:recv_frame() }, { "one ", "text", "again" })
    equal({ wb:recv_frame() }, { "ping", "pong" })
    equal({ wb:recv_frame() }, { "two ", "continuation", "again" })
    equal({ wb:recv_frame() }, { "three", "continuation" })
    equal({ wb:send_ping(("x"):rep(126)) }, { nil, "too much payload for control frame" })
    equal({ wb:recv_frame() }, { nil, nil, "fatal error already happened" })
end)

case("a server sends pieces and a ping by itself, times out, and closes", function()
    local wb = connect("/script")
    equal({ wb:recv_frame() }, { "in ", "text", "again" })
    equal({ wb:recv_frame() }, { "still there?", "ping" })
    equal({ wb:recv_frame() }, { "three ", "continuation", "again" })
    equal({ wb:recv_frame() }, { "pieces", "continuation" })
    assert(wb:send_pong("yes"))
    equal({ wb:recv_frame() }, { "pong: yes", "text" })
    equal({ wb:recv_frame() }, { "nil failed to receive the first 2 bytes: timeout", "text" })
    equal({ wb:recv_frame() }, { "going away", "close", 1001 })
    assert(wb:send_close(1001))
    equal(wb:close(), 1)
end)

case("every close code and reason goes both ways", function()
    for _, code in ipairs { 1000, 1001, 1008, 1011, 3000, 4999 } do
        local wb = connect("/echo")
        assert(wb:send_close(code, "because " .. code))
        equal({ wb:recv_frame() }, { "because " .. code, "close", code })
    end
    local wb = connect("/echo")
    assert(wb:send_close())
    equal({ wb:recv_frame() }, { "", "close", 1000 })
    local _, _, err = wb:recv_frame()
    equal(err, "failed to receive the first 2 bytes: closed")
end)

case("a server that leaves without a word", function()
    local wb = connect("/leave")
    equal({ wb:recv_frame() }, { nil, nil, "failed to receive the first 2 bytes: closed" })
    equal({ wb:send_text("?") }, { nil, "fatal error already happened" })
end)

case("frames that are too long, and unmasked ones", function()
    local wb = connect("/echo", { max_payload_len = 10 })
    equal({ wb:send_text("more than ten") }, { nil, "payload too big" })
    wb = connect("/echo", { send_unmasked = true })
    assert(wb:send_text("bare"))
    equal({ wb:recv_frame() }, { nil, nil, "failed to receive the first 2 bytes: closed" })
end)

case("a handshake that is no handshake is answered by the script", function()
    local sock = assert(ngx.socket.connect("127.0.0.1", PORT))
    assert(sock:send { "GET /echo?prefix=", PREFIX, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" })
    equal(sock:receive("*l"), "HTTP/1.1 400 Bad Request")
    local answer = sock:receive("*a")
    equal(answer:match "bad \"upgrade\" request header: nil" ~= nil, true)
    sock:close()
end)

case("the subprotocol and headers of the client", function()
    local sock = assert(ngx.socket.connect("127.0.0.1", PORT))
    assert(sock:send { "GET /leave?prefix=", PREFIX, " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Protocol: chat\r\n\r\n" })
    local head = sock:receive("*a")
    equal(head:match "^HTTP/1.1 101 Switching Protocols\r\n" ~= nil, true)
    equal(head:match "[Ss]ec%-[Ww]eb[Ss]ocket%-[Aa]ccept: ([^\r]*)", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    equal(head:match "[Pp]rotocol: ([^\r]*)", "chat")
    sock:close()
end)

case("one light thread sends while another receives", function()
    local wb = connect("/echo")
    local function send()
        for i = 1, 500 do assert(wb:send_text("message " .. i)) end
    end
    local function receive()
        for i = 1, 500 do equal({ wb:recv_frame() }, { "message " .. i, "text" }) end
    end
    all(send, receive)
    close(wb)
end)

case("a kept connection goes on without another handshake", function()
    local wb = connect("/echo", nil, { pool = "websockets" })
    assert(wb:send_text("before"))
    equal({ wb:recv_frame() }, { "before", "text" })
    equal(wb:set_keepalive(10000, 5), 1)
    wb = connect("/echo", nil, { pool = "websockets" })
    equal(wb.sock:getreusedtimes(), 1)
    assert(wb:send_text("after"))
    equal({ wb:recv_frame() }, { "after", "text" })
    close(wb)
end)

case("nobody listens, or the address is none", function()
    local server = lasa.socket.tcp()
    assert(server:bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    server:close()
    local wb = client:new()
    equal({ wb:connect("ws://127.0.0.1:" .. port) }, { nil, "failed to connect: connection refused" })
    equal({ wb:connect("http://127.0.0.1") }, { nil, "bad websocket uri" })
end)

-- ---- with lasa's own ------------------------------------------------------------------------------------------------

-- Serve one client of lasa's server, which gives back what comes; return the server.
local function lasa_server(options)
    options = options or {}
    options.host, options.max_payload_len = "127.0.0.1:0", 2000000
    local server = assert(lasa.websocket.server.new(options))
    ngx.thread.spawn(function()
        local wb = assert(server:accept())
        wb:set_timeout(5000)
        while true do
            local data, kind, err = wb:recv_frame()
            if not data then break end
            if kind == "close" then
                wb:send_close(err, data)
                break
            elseif kind == "ping" then
                wb:send_pong(data)
            elseif kind ~= "pong" then
                wb:send_frame(err ~= "again", kind == "text" and 1 or kind == "binary" and 2 or 0, data)
            end
        end
        wb:close()
        server:close()
    end)
    return server
end

case("the library's client and lasa's server", function()
    local server = lasa_server()
    local wb = client:new { max_payload_len = 2000000, timeout = 5000 }
    assert(wb:connect("ws://127.0.0.1:" .. server.port .. "/"))
    assert(wb:send_text("text"))
    equal({ wb:recv_frame() }, { "text", "text" })
    assert(wb:send_binary(MEGABYTE))
    equal(wb:recv_frame() == MEGABYTE, true)
    assert(wb:send_frame(false, 2, "one"))
    assert(wb:send_ping("ping"))
    assert(wb:send_frame(true, 0, BINARY))
    equal({ wb:recv_frame() }, { "one", "binary", "again" })
    equal({ wb:recv_frame() }, { "ping", "pong" })
    equal({ wb:recv_frame() }, { BINARY, "continuation" })
    assert(wb:send_close(3001, "bye"))
    equal({ wb:recv_frame() }, { "bye", "close", 3001 })
    equal(wb:close(), 1)
end)

case("the library's client and lasa's server by TLS, whose certificate is checked", function()
    local server = lasa_server { ssl = { ssl_cert = CERTIFICATE, ssl_key = CERTIFICATE } }
    local wb = client:new { timeout = 5000 }
    assert(wb:connect("wss://localhost:" .. server.port .. "/", { ssl_verify = true }))
    assert(wb:send_text("secret"))
    equal({ wb:recv_frame() }, { "secret", "text" })
    assert(wb:send_close(1000))
    equal({ wb:recv_frame() }, { "", "close", 1000 })
    server = lasa_server { ssl = { ssl_cert = CERTIFICATE, ssl_key = CERTIFICATE } }
    wb = client:new { timeout = 5000 }
    equal({ wb:connect("wss://127.0.0.1:" .. server.port .. "/", { ssl_verify = true }) },
        { nil, "ssl handshake failed: certificate host mismatch" })
    server:close()
end)

case("lasa's client and the library's server", function()
    local wb = assert(lasa.websocket.client:new { max_payload_len = 2000000 })
    wb:set_timeout(5000)
    assert(wb:connect(url "/echo", { protocols = "chat" }))
    assert(wb:send_text("text"))
    equal({ wb:recv_frame() }, { "text", "text" })
    assert(wb:send_binary(MEGABYTE))
    equal(wb:recv_frame() == MEGABYTE, true)
    assert(wb:send_ping("ping"))
    equal({ wb:recv_frame() }, { "ping", "pong" })
    assert(wb:send_close(4000, "bye"))
    equal({ wb:recv_frame() }, { "bye", "close", 4000 })
    wb:close()
end)
