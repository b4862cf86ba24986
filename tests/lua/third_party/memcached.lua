-- lua-resty-memcached against a real server.

local PREFIX, PORT = arg[1], tonumber(arg[2])

local memcached = require(PREFIX .. "memcached")
local case, equal, all, peer = require "cases" ()

local HOST = "127.0.0.1"
local BINARY = "\0\1\r\nEND\r\n\255" .. ("\0\r\n"):rep(10)

local function connect(port, options)
    local memc = assert(memcached:new(options))
    memc:set_timeout(5000)
    assert(memc:connect(HOST, port or PORT))
    return memc
end

case("values are stored, found, replaced, grown and removed", function()
    local memc = connect()
    equal(memc:flush_all(), 1)
    equal(memc:set("dog", 32), 1)
    equal({ memc:get("dog") }, { "32", "0" })
    equal({ memc:get("cat") }, {})
    equal({ memc:add("dog", 1) }, { nil, "NOT_STORED" })
    equal(memc:add("cat", "meow", 0, 7), 1)
    equal({ memc:get("cat") }, { "meow", "7" })
    equal({ memc:replace("cow", "moo") }, { nil, "NOT_STORED" })
    equal(memc:append("cat", "!"), 1)
    equal(memc:prepend("cat", { "a ", { "loud", " " } }), 1)
    equal({ memc:get("cat") }, { "a loud meow!", "7" })
    equal({ memc:incr("dog", 10) }, { "42" })
    equal({ memc:decr("dog", 2) }, { "40" })
    equal({ memc:incr("none", 1) }, { nil, "NOT_FOUND" })
    equal(memc:delete("dog"), 1)
    equal({ memc:delete("dog") }, { nil, "NOT_FOUND" })
    equal(memc:touch("cat", 100), 1)
    equal(memc:close(), 1)
end)

case("several keys at once, and keys that need escapes", function()
    local memc = connect()
    equal(memc:set("a key with\nbytes\0", "one"), 1)
    equal(memc:set("two", "2"), 1)
    equal(memc:get { "a key with\nbytes\0", "two", "none" }, { ["a key with\nbytes\0"] = { "one", "0" },
        two = { "2", "0" } })
    equal(memc:get {}, {})
    equal(memc:close(), 1)
    local plain = function(key) return key end
    memc = connect(nil, { key_transform = { plain, plain } })
    equal(memc:set("a:b%", "plain"), 1)
    equal({ memc:get("a:b%") }, { "plain", "0" })
    equal({ memc:get("a b") }, {})
    equal(memc:close(), 1)
end)

case("a value is exchanged only if nobody else has", function()
    local memc, other = connect(), connect()
    equal(memc:set("shared", "1"), 1)
    local value, flags, unique = memc:gets("shared")
    equal({ value, flags }, { "1", "0" })
    equal(memc:cas("shared", "2", unique), 1)
    equal({ other:cas("shared", "3", unique) }, { nil, "EXISTS" })
    equal(other:gets({ "shared" }).shared[1], "2")
    equal(memc:close(), 1)
    equal(other:close(), 1)
end)

case("bytes of every kind, nothing, and nearly a megabyte", function()
    local memc = connect()
    equal(memc:set("binary", BINARY), 1)
    equal({ memc:get("binary") }, { BINARY, "0" })
    equal(memc:set("empty", ""), 1)
    equal({ memc:get("empty") }, { "", "0" })
    local big = ("0123456789\0abcde"):rep(65000)
    equal(memc:set("big", big), 1)
    equal(memc:get("big") == big, true)
    equal({ memc:set("huge", ("x"):rep(2000000)) }, { nil, "SERVER_ERROR object too large for cache" })
    equal(memc:close(), 1)
end)

case("what the server says of itself", function()
    local memc = connect()
    equal(memc:version():match "^%d+%.%d+%.%d+$" ~= nil, true)
    equal(memc:stats()[1]:match "^STAT pid %d+$" ~= nil, true)
    equal(memc:verbosity(1), 1)
    equal(memc:stats("nonsense"), nil)
    equal(memc:quit(), 1)
    local _, _, err = memc:get("dog")
    equal(err == "closed" or err == "connection reset by peer", true) -- as the system has noticed it by then
    memc:close()
end)

case("kept connections are used again by twenty light threads", function()
    local memc = connect()
    equal(memc:set("count", "0"), 1)
    equal(memc:set_keepalive(10000, 8), 1)
    equal({ memc:get("count") }, { nil, nil, "closed" })
    local function work()
        local reused = 0
        for _ = 1, 10 do
            local mine = assert(memcached:new())
            assert(mine:connect(HOST, PORT))
            reused = reused + (mine:get_reused_times() > 0 and 1 or 0)
            assert(mine:incr("count", 1))
            assert(mine:set_keepalive(10000, 30))
        end
        return reused
    end
    local workers = {}
    for i = 1, 20 do workers[i] = work end
    local reused = 0
    for _, times in ipairs(all(unpack(workers))) do reused = reused + times end
    equal(reused >= 180, true)
    assert(memc:connect(HOST, PORT))
    equal({ memc:get("count") }, { "200", "0" })
    equal(memc:close(), 1)
end)

case("a server that is slow, ends in the middle, or talks nonsense", function()
    local memc = connect(peer(function(sock)
        sock:receive("*l")
        sock:receive("*l") -- the client goes away
    end))
    memc:set_timeout(20)
    equal({ memc:get("dog") }, { nil, nil, "timeout" })
    memc:close() -- older ones have done so
    memc = connect(peer(function(sock)
        sock:receive("*l")
        sock:send("VALUE dog 0 100\r\nabc")
    end))
    local _, _, err = memc:get("dog")
    equal(err == "closed" or err == "connection reset by peer", true) -- as the system has noticed it by then
    memc = connect(peer(function(sock)
        sock:receive("*l")
        sock:send("ERROR\r\n")
    end))
    equal({ memc:get("dog") }, { nil, nil, "ERROR" })
    equal(memc:close(), 1)
end)
