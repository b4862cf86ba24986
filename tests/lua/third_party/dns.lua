-- lua-resty-dns against a server in the same script, over UDP and TCP.

local PREFIX = arg[1]

local resolver = require(PREFIX .. "dns.resolver")
local case, equal, all = require "cases" ()

local HOST = "127.0.0.1"
local char = string.char

-- ---- a DNS server ---------------------------------------------------------------------------------------------------

local function word(number) return char(math.floor(number / 256), number % 256) end

local function name_of(text)
    return text:gsub("([^.]+)%.?", function(label) return char(#label) .. label end) .. "\0"
end

-- A record for the name of the question, to which the two bytes "\192\12" point.
local function record(kind, data, name)
    return (name or "\192\12") .. word(kind) .. "\0\1\0\0\0\60" .. word(#data) .. data
end

local A, CNAME, SOA, PTR, MX, TXT, AAAA, SRV = 1, 5, 6, 12, 15, 16, 28, 33
local IPV6 = "\32\1\13\184" .. ("\0"):rep(11) .. "\1"
local MANY = {}
for i = 1, 3000 do MANY[i] = record(A, "\10\0" .. word(i)) end

local ZONE = {
    ["a.test"] = { record(A, "\127\0\0\1"), record(A, "\127\0\0\2") },
    ["alias.test"] = { record(CNAME, name_of "a.test"), record(A, "\127\0\0\1", name_of "a.test") },
    ["six.test"] = { record(AAAA, IPV6) },
    ["mail.test"] = { record(MX, word(10) .. "\2mx\192\12") },
    ["text.test"] = { record(TXT, "\5h\0llo\255" .. ("x"):rep(255)) },
    ["service.test"] = { record(SRV, word(1) .. word(2) .. word(8080) .. name_of "a.test") },
    ["1.0.0.127.in-addr.arpa"] = { record(PTR, name_of "localhost") },
    ["many.test"] = MANY,
    ["slow.test"] = { record(A, "\127\0\0\3") },
    ["lost.test"] = { record(A, "\127\0\0\4") },
    ["forged.test"] = { record(A, "\127\0\0\5") },
}

local asked = {} -- name -> how often

local function answer_to(query, is_udp)
    local labels, pos = {}, 13
    while query:byte(pos) ~= 0 do
        labels[#labels + 1] = query:sub(pos + 1, pos + query:byte(pos))
        pos = pos + query:byte(pos) + 1
    end
    local name = table.concat(labels, ".")
    asked[name] = (asked[name] or 0) + 1
    local question, records = query:sub(13, pos + 4), ZONE[name]
    local flags, count, data = "\129\128", 0, ""
    if not records then
        flags = "\129\131" -- no such name
    elseif is_udp and #records > 100 then
        flags = "\131\128" -- truncated
    else
        count, data = #records, table.concat(records)
    end
    local authority = record(SOA, name_of "ns.test" .. name_of "me.test" .. ("\0\0\0\7"):rep(5), name_of "test")
    return query:sub(1, 2) .. flags .. "\0\1" .. word(count) .. "\0\1\0\0" .. question .. data .. authority, name
end

local udp, tcp

local function serve_udp()
    while true do
        local query, err, ip, port = udp:receivefrom()
        if not query then return err end
        local answer, name = answer_to(query, true)
        if name == "lost.test" and asked[name] < 3 or name == "silent.test" then
            answer = nil
        elseif name == "forged.test" then
            udp:sendto(char(255 - answer:byte(1)) .. answer:sub(2), ip, port)
        elseif name == "slow.test" then
            ngx.sleep(0.03)
        elseif name == "short.test" then
            answer = answer:sub(1, 20)
        end
        if answer then udp:sendto(answer, ip, port) end
    end
end

local function serve_tcp()
    while true do
        local sock = tcp:accept()
        if not sock then return end
        sock:settimeout(5000)
        local size = assert(sock:receive(2))
        local query = assert(sock:receive(size:byte(1) * 256 + size:byte(2)))
        local answer, name = answer_to(query)
        if name == "many.test" and asked[name] > 2 then answer = answer:sub(1, 100) end
        sock:send { word(#answer), answer:sub(1, 10) }
        ngx.sleep(0)
        if name ~= "many.test" or asked[name] <= 2 then sock:send(answer:sub(11)) end
        sock:close()
    end
end

local port
for _ = 1, 20 do -- until a port is free for both
    udp, tcp = lasa.socket.udp(), lasa.socket.tcp()
    udp:settimeout(10000)
    tcp:settimeout(10000)
    assert(udp:setsockname(HOST, 0))
    port = select(2, udp:getsockname())
    if tcp:bind(HOST, port) and tcp:listen() then break end
    udp:close()
    tcp:close()
end
local servers = { ngx.thread.spawn(serve_udp), ngx.thread.spawn(serve_tcp) }

local function new(options)
    options = options or {}
    options.nameservers = options.nameservers or { { HOST, port } }
    return assert(resolver:new(options))
end

-- ---- the cases ------------------------------------------------------------------------------------------------------

case("addresses of both kinds, and an alias", function()
    local r = new()
    local found = assert(r:query("a.test"))
    equal(#found, 2)
    equal(found[1], { name = "a.test", type = A, class = 1, ttl = 60, address = "127.0.0.1", section = 1 })
    equal(found[2].address, "127.0.0.2")
    found = assert(r:query("alias.test"))
    equal({ found[1].cname, found[2].name, found[2].address }, { "a.test", "a.test", "127.0.0.1" })
    found = assert(r:query("six.test", { qtype = r.TYPE_AAAA }))
    equal(found[1].address, "2001:db8:0:0:0:0:0:1")
    equal(r.compress_ipv6_addr(found[1].address), "2001:db8::1")
end)

case("mail, text, services, the name of an address, and who is in charge", function()
    local r = new()
    local mail = assert(r:query("mail.test", { qtype = r.TYPE_MX }))[1]
    equal({ mail.preference, mail.exchange }, { 10, "mx.mail.test" })
    equal(assert(r:query("text.test", { qtype = r.TYPE_TXT }))[1].txt, { "h\0llo", ("x"):rep(255) })
    local service = assert(r:query("service.test", { qtype = r.TYPE_SRV }))[1]
    equal({ service.priority, service.weight, service.port, service.target }, { 1, 2, 8080, "a.test" })
    equal(assert(r:reverse_query("127.0.0.1"))[1].ptrdname, "localhost")
    local authority = assert(r:query("a.test", { qtype = r.TYPE_SOA, authority_section = true }))[3]
    equal({ authority.section, authority.mname, authority.serial }, { 2, "ns.test", 7 })
end)

case("a name that does not exist has a code and its words", function()
    local found = assert(new():query("nothing.test"))
    equal(found, { errcode = 3, errstr = "name error" })
end)

case("an answer too large for UDP is asked for by TCP", function()
    local r = new()
    local found = assert(r:query("many.test"))
    equal(#found, 3000)
    equal(found[3000].address, "10.0.11.184")
    equal(asked["many.test"], 2)
    local _, err = r:query("many.test")
    equal(err, ("failed to receive the reply message body from TCP server %s:%d: closed"):format(HOST, port))
end)

case("a question may go by TCP at once", function()
    equal(assert(new():tcp_query("a.test"))[2].address, "127.0.0.2")
end)

case("a lost question is sent again, and a forged answer passed over", function()
    local r = new { timeout = 20 }
    equal(assert(r:query("lost.test"))[1].address, "127.0.0.4")
    equal(asked["lost.test"], 3)
    equal(assert(new():query("forged.test"))[1].address, "127.0.0.5")
end)

case("nobody answers: a timeout", function()
    local r = new { timeout = 10, retrans = 2 }
    local found, err = r:query("silent.test")
    equal({ found, err }, { nil, ("failed to receive reply from UDP server %s:%d: timeout"):format(HOST, port) })
    equal(asked["silent.test"], 2)
end)

case("nobody listens: connection refused", function()
    local nobody = lasa.socket.udp()
    assert(nobody:setsockname(HOST, 0))
    local closed = select(2, nobody:getsockname())
    nobody:close()
    local _, err = new { nameservers = { { HOST, closed } } }:query("a.test")
    equal(err, ("failed to receive reply from UDP server %s:%d: connection refused"):format(HOST, closed))
end)

case("twenty light threads ask at the same time, each by a resolver of its own", function()
    local function ask() return assert(new():query("slow.test"))[1].address end
    local askers = {}
    for i = 1, 20 do
        askers[i] = i % 2 == 0 and ask or function() return assert(new():query("a.test"))[1].address end
    end
    local found = all(unpack(askers))
    for i = 1, 20 do equal(found[i], i % 2 == 0 and "127.0.0.3" or "127.0.0.1") end
end)

for _, server in ipairs(servers) do ngx.thread.kill(server) end
