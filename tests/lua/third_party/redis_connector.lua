-- lua-resty-redis-connector against a real server and a real sentinel.

local PREFIX, PORT, SENTINEL_PORT = arg[1], tonumber(arg[2]), tonumber(arg[3])

local connector = require(PREFIX .. "redis.connector")
local case, equal = require "cases" ()

case("it connects by parameters, by a data source name, and to a database", function()
    local rc = assert(connector.new { port = PORT, db = 2 })
    local red = assert(rc:connect())
    equal(red:flushall(), "OK")
    equal(red:set("name", "connector"), "OK")
    equal(rc:set_keepalive(red), 1)
    red = assert(rc:connect { url = "redis://127.0.0.1:" .. PORT .. "/2" })
    equal(red:get_reused_times(), 1)
    equal(red:get("name"), "connector")
    equal(red:select(0), "OK")
    equal(red:get("name"), ngx.null)
    equal(red:close(), 1)
end)

case("a wrong password is told", function()
    local rc = assert(connector.new { port = PORT, password = "wrong" })
    local red, err = rc:connect()
    equal(red, false)
    equal(err:match "^ERR AUTH", "ERR AUTH")
end)

case("a connection inside a transaction is kept outside of it", function()
    local rc = assert(connector.new { port = PORT })
    local red = assert(rc:connect())
    equal(red:multi(), "OK")
    equal(red:set("name", "lost"), "QUEUED")
    equal(rc:set_keepalive(red), 1)
    red = assert(rc:connect())
    equal(red:get_reused_times() > 0, true)
    equal(red:get("name"), ngx.null)
    equal(red:close(), 1)
end)

case("commands of no use behind a proxy are stubs", function()
    local rc = assert(connector.new { port = PORT, connection_is_proxied = true })
    local red = assert(rc:connect())
    equal({ red:multi() }, { nil, "Command multi is disabled" })
    equal(red:set("name", "proxied"), "OK")
    equal(rc:set_keepalive(red), 1)
end)

case("an unknown field is an error", function()
    local rc, err = connector.new { prot = PORT }
    equal(rc, nil)
    equal(err:match "field prot does not exist", "field prot does not exist")
end)

case("the sentinel names the master, after one that does not answer", function()
    local nobody = { host = "127.0.0.1", port = 1 }
    local rc = assert(connector.new {
        sentinels = { nobody, { host = "127.0.0.1", port = SENTINEL_PORT } }, master_name = "mine",
    })
    local red = assert(rc:connect())
    equal(red:ping(), "PONG")
    equal(red:config("get", "port"), { "port", tostring(PORT) })
    equal(red:close(), 1)
    equal({ rc:connect { role = "slave", sentinels = { { host = "127.0.0.1", port = SENTINEL_PORT } } } },
        { nil, "no slaves available" })
    rc = assert(connector.new { sentinels = { nobody, nobody } })
    equal({ rc:connect() }, { nil, "no hosts available", { "connection refused", "connection refused" } })
end)
