-- lua-resty-cookie in a handler of `lasa serve`.

local PREFIX, PORT = arg[1], tonumber(arg[2])

local case, equal = require "cases" ()

local function ask(headers)
    local sock = assert(ngx.socket.connect("127.0.0.1", PORT))
    assert(sock:send { "GET /cookies?prefix=", PREFIX, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", headers,
        "\r\n" })
    local head, body = assert(sock:receive("*a")):match "^(.-)\r\n\r\n(.*)$"
    local cookies = {}
    for cookie in head:gmatch "Set%-Cookie: ([^\r]*)" do cookies[#cookies + 1] = cookie end
    sock:close()
    return body, cookies
end

case("without cookies, two are set, each once", function()
    local body, cookies = ask("")
    equal(body, 'nil nil missing cookie field "key" or "value"\n')
    equal(cookies, { "seen=1; Max-Age=60; Path=/; HttpOnly", "who=nobody; Secure" })
end)

case("cookies that come are read and set anew", function()
    local body, cookies = ask("Cookie: seen=41;  who=me=you\r\n")
    equal(body, '41 me=you missing cookie field "key" or "value"\n')
    equal(cookies, { "seen=42; Max-Age=60; Path=/; HttpOnly", "who=me=you; Secure" })
end)
