-- lua-resty-redis against a real server.

local PREFIX, PORT = arg[1], tonumber(arg[2])

local redis = require(PREFIX .. "redis")
local case, equal, all, peer = require "cases" ()

local HOST = "127.0.0.1"
local BINARY = "\0\1\r\n\255" .. ("\0\r\n"):rep(10)

local function connect(port)
    local red = assert(redis:new())
    red:set_timeout(5000)
    assert(red:connect(HOST, port or PORT))
    return red
end

local function closed(red) equal(assert(red:close()), 1) end

-- ---- values and errors ----------------------------------------------------------------------------------------------

case("commands answer with status, integers, strings, arrays and null", function()
    local red = connect()
    equal(red:flushall(), "OK")
    equal(red:set("dog", "an animal"), "OK")
    equal(red:get("dog"), "an animal")
    equal(red:get("cat"), ngx.null)
    equal(red:incr("counter"), 1)
    equal(red:incrby("counter", 41), 42)
    equal(red:mset("a", 1, "b", 2), "OK")
    equal(red:mget("a", "none", "b"), { "1", ngx.null, "2" })
    equal(red:rpush("list", "x", "y", "z"), 3)
    equal(red:lrange("list", 0, -1), { "x", "y", "z" })
    equal(red:exists("list"), 1)
    equal(red:blpop("nothing", "0.01"), ngx.null)
    closed(red)
end)

case("hashes go in as tables and come back as arrays", function()
    local red = connect()
    equal(red:hmset("animals", { dog = "bark", cat = "meow" }), "OK")
    equal(red:hmset("animals", "cow", "moo"), "OK")
    equal(red:array_to_hash(red:hgetall("animals")), { dog = "bark", cat = "meow", cow = "moo" })
    equal(red:hmget("animals", "cow", "none"), { "moo", ngx.null })
    closed(red)
end)

case("bytes of every kind and a megabyte come back as they went", function()
    local red = connect()
    equal(red:set("binary", BINARY), "OK")
    equal(red:get("binary"), BINARY)
    equal(red:set("", ""), "OK")
    equal(red:get(""), "")
    local big = ("0123456789\0abcde"):rep(65536)
    equal(red:set("big", big), "OK")
    equal(red:get("big") == big, true)
    equal(red:strlen("big"), 1048576)
    equal(red:del("big"), 1)
    closed(red)
end)

case("an error of the server is false and its message", function()
    local red = connect()
    red:set("word", "abc")
    equal({ red:incr("word") }, { false, "ERR value is not an integer or out of range" })
    equal({ red:no_such_command() }, { false, "ERR unknown command 'no_such_command', with args beginning with: " })
    equal({ red:auth("wrong") }, { false,
        "ERR AUTH <password> called without any password configured for the default user. "
        .. "Are you sure your configuration is correct?" })
    equal({ red:eval("return redis.error_reply('MINE own')", 0) }, { false, "MINE own" })
    equal(red:eval("return {1, 'two', false, KEYS[1], ARGV[1]}", 1, "key", "arg"), { 1, "two", ngx.null, "key", "arg" })
    closed(red)
end)

case("a wrong password, a wrong one for a user and the right one", function()
    local red = connect()
    equal(red:acl("setuser", "reader", "on", ">pass word", "~*", "+@all"), "OK")
    equal({ red:auth("reader", "wrong") }, { false, "WRONGPASS invalid username-password pair or user is disabled." })
    equal(red:auth("reader", "pass word"), "OK")
    equal(red:acl("whoami"), "reader")
    closed(red)
end)

-- ---- pipelines and transactions -------------------------------------------------------------------------------------

case("a pipeline answers in order, with errors in their places", function()
    local red = connect()
    red:init_pipeline()
    red:set("one", "1")
    red:lpush("one", "x")
    red:get("one")
    red:get("nothing")
    local found = assert(red:commit_pipeline())
    equal(found[1], "OK")
    equal(found[2], { false, "WRONGTYPE Operation against a key holding the wrong kind of value" })
    equal(found[3], "1")
    equal(found[4], ngx.null)
    red:init_pipeline(2)
    red:set("one", "2")
    red:cancel_pipeline()
    equal(red:get("one"), "1")
    closed(red)
end)

case("a pipeline of ten thousand commands", function()
    local red = connect()
    red:init_pipeline(10000)
    for i = 1, 10000 do red:set("many", i) end
    local found = assert(red:commit_pipeline())
    equal(#found, 10000)
    equal(red:get("many"), "10000")
    closed(red)
end)

case("a transaction is executed, discarded, and aborted when a watched key changes", function()
    local red, other = connect(), connect()
    equal(red:multi(), "OK")
    equal(red:set("t", "1"), "QUEUED")
    equal(red:incr("t"), "QUEUED")
    equal(red:exec(), { "OK", 2 })
    equal(red:multi(), "OK")
    equal(red:set("t", "9"), "QUEUED")
    equal(red:discard(), "OK")
    equal(red:get("t"), "2")
    equal(red:watch("t"), "OK")
    equal(other:set("t", "5"), "OK")
    equal(red:multi(), "OK")
    equal(red:set("t", "7"), "QUEUED")
    equal(red:exec(), ngx.null)
    equal(red:get("t"), "5")
    closed(red)
    closed(other)
end)

-- ---- messages -------------------------------------------------------------------------------------------------------

case("messages come to who has subscribed, by name and by pattern", function()
    local sub, pub = connect(), connect()
    equal(sub:subscribe("dog"), { "subscribe", "dog", 1 })
    equal(sub:psubscribe("c*"), { "psubscribe", "c*", 2 })
    equal(pub:publish("dog", "bark"), 1)
    equal(sub:read_reply(), { "message", "dog", "bark" })
    equal(pub:publish("cat", BINARY), 1)
    equal(sub:read_reply(), { "pmessage", "c*", "cat", BINARY })
    equal({ sub:set_keepalive() }, { nil, "subscribed state" })
    closed(sub)
    closed(pub)
end)

case("a subscriber that times out goes on reading", function()
    local sub, pub = connect(), connect()
    assert(sub:subscribe("late"))
    sub:set_timeout(20)
    equal({ sub:read_reply() }, { nil, "timeout" })
    sub:set_timeout(5000)
    equal(pub:publish("late", "after all"), 1)
    equal(sub:read_reply(), { "message", "late", "after all" })
    equal(sub:unsubscribe("late"), { "unsubscribe", "late", 0 })
    equal({ sub:read_reply() }, { nil, "not subscribed" })
    equal(sub:get("binary"), BINARY)
    closed(sub)
    closed(pub)
end)

case("one light thread reads messages while another sends on the same connection", function()
    local red, pub = connect(), connect()
    assert(red:subscribe("first"))
    local seen = {}
    local function read()
        for i = 1, 3 do seen[i] = assert(red:read_reply()) end
    end
    local function write()
        assert(red._sock:send("*2\r\n$9\r\nsubscribe\r\n$6\r\nsecond\r\n"))
        ngx.sleep(0.02)
        assert(pub:publish("second", "2"))
        assert(pub:publish("first", "1"))
    end
    all(read, write)
    equal(seen, { { "subscribe", "second", 2 }, { "message", "second", "2" }, { "message", "first", "1" } })
    closed(red)
    closed(pub)
end)

-- ---- connections ----------------------------------------------------------------------------------------------------

case("a kept connection is used again, and counts its uses", function()
    local red = assert(redis:new())
    local numbers, times = {}, {}
    for i = 1, 3 do
        assert(red:connect(HOST, PORT, { pool = "mine" }))
        times[i] = red:get_reused_times()
        numbers[i] = red:client("id")
        equal(red:set_keepalive(10000, 5), 1)
    end
    equal(times, { 0, 1, 2 })
    equal({ numbers[2], numbers[3] }, { numbers[1], numbers[1] })
    equal({ red:get("a") }, { nil, "closed" })
    assert(red:connect(HOST, PORT, { pool = "another" }))
    equal(red:get_reused_times(), 0)
    closed(red)
end)

case("a kept connection that the server has ended is not used again", function()
    local red, other = connect(), connect()
    local number = red:client("id")
    equal(red:set_keepalive(10000, 5), 1)
    equal(other:client("kill", "id", number), 1)
    closed(other)
    ngx.sleep(0.02)
    assert(red:connect(HOST, PORT))
    equal(red:get_reused_times(), 0)
    closed(red)
end)

case("twenty light threads share a pool of four connections", function()
    local served = {}
    local function work()
        for _ = 1, 10 do
            local red = redis:new()
            assert(red:connect(HOST, PORT, { pool_size = 4, backlog = 100, pool = "shared" }))
            served[red:client("id")] = true
            assert(red:incr("shared"))
            assert(red:set_keepalive(10000))
        end
    end
    local workers = {}
    for i = 1, 20 do workers[i] = work end
    all(unpack(workers))
    local count = 0
    for _ in pairs(served) do count = count + 1 end
    equal(count, 4)
    local red = connect()
    equal(red:get("shared"), "200")
    closed(red)
end)

case("a slow answer is a timeout", function()
    local red = connect()
    red:set_timeout(20)
    equal({ red:blpop("nothing", 3) }, { nil, "timeout" })
    red:close() -- older ones have done so
    equal({ red:get("a") }, { nil, "closed" })
end)

case("nobody listens: connection refused", function()
    local server = lasa.socket.tcp()
    assert(server:bind(HOST, 0))
    local _, port = server:getsockname()
    server:close()
    local red = redis:new()
    equal({ red:connect(HOST, port) }, { nil, "connection refused" })
    equal({ red:get("a") }, { nil, "closed" })
end)

case("a server that ends in the middle of an answer", function()
    local red = connect(peer(function(sock)
        sock:receive("*l")
        sock:send("$10\r\nabc")
    end))
    equal({ red:get("a") }, { nil, "closed" })
    equal({ red:get("a") }, { nil, "closed" })
    local array = connect(peer(function(sock)
        sock:receive("*l")
        sock:send("*3\r\n$1\r\na\r\n:7\r\n")
    end))
    equal({ array:keys("*") }, { nil, "closed" })
end)

case("a server that speaks another protocol", function()
    local red = connect(peer(function(sock)
        sock:receive("*l")
        sock:send("HTTP/1.1 400 Bad Request\r\n\r\n")
    end))
    equal({ red:get("a") }, { nil, 'unknown prefix: "72"' })
    closed(red)
end)

case("a unix socket works as a host", function()
    local red = connect()
    local path = red:config("get", "unixsocket")[2]
    closed(red)
    red = redis:new()
    assert(red:connect("unix:" .. path))
    equal(red:get("t"), "5")
    equal(red:set_keepalive(10000, 5), 1)
    assert(red:connect("unix:" .. path))
    equal(red:get_reused_times(), 1)
    closed(red)
end)
