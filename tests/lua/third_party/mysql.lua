-- A MySQL client of our own, as no package has lua-resty-mysql: the handshake, queries and their results, over
-- cosockets as such libraries use them. Source: MySQL's client/server protocol, text protocol, mysql_native_password.

local bit = require "bit"

local case, equal, all = require "cases" ()

local PORT, SOCKET = tonumber(arg[2]), arg[3]
local byte, char, concat, sub = string.byte, string.char, table.concat, string.sub

-- PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, LONG_PASSWORD, CONNECT_WITH_DB, TRANSACTIONS and LONG_FLAG
local CAPABILITIES = 0x00080000 + 0x8000 + 0x2000 + 0x0200 + 0x0008 + 0x0004 + 0x0001
local TLS = 0x0800
local MAX_PACKET = 16777215

-- ---- numbers and strings of the protocol ----------------------------------------------------------------------------

local function le(number, size)
    local parts = {}
    for i = 1, size do
        parts[i] = char(number % 256)
        number = math.floor(number / 256)
    end
    return concat(parts)
end

local function from_le(data, pos, size)
    local number = 0
    for i = size, 1, -1 do number = number * 256 + byte(data, pos + i - 1) end
    return number, pos + size
end

local SIZES = { [252] = 2, [253] = 3, [254] = 8 }

local function length_coded(data, pos)
    local first = byte(data, pos)
    if first == 251 then return nil, pos + 1 end
    if first < 251 then return first, pos + 1 end
    return from_le(data, pos + 1, SIZES[first])
end

local function length_string(data, pos)
    local size, start = length_coded(data, pos)
    if not size then return ngx.null, start end
    return sub(data, start, start + size - 1), start + size
end

local function scramble(password, salt)
    if password == "" then return "" end
    local once = ngx.sha1_bin(password)
    local other = ngx.sha1_bin(salt .. ngx.sha1_bin(once))
    local mixed = {}
    for i = 1, 20 do mixed[i] = char(bit.bxor(byte(once, i), byte(other, i))) end
    return concat(mixed)
end

-- ---- a connection ---------------------------------------------------------------------------------------------------

local db = {}
local META = { __index = db }

local function read_packet(self)
    local head, err = self.sock:receive(4)
    if not head then return nil, err end
    local size = from_le(head, 1, 3)
    self.number = byte(head, 4) + 1
    return self.sock:receive(size)
end

-- Send a packet; what is longer than one holds goes in several.
local function send_packet(self, data)
    local pos = 1
    repeat
        local part = sub(data, pos, pos + MAX_PACKET - 1)
        local ok, err = self.sock:send { le(#part, 3), char(self.number % 256), part }
        if not ok then return nil, err end
        self.number = self.number + 1
        pos = pos + #part
    until #part < MAX_PACKET
    return 1
end

local function failure(packet)
    return nil, sub(packet, 10), (from_le(packet, 2, 2))
end

local function connect(options)
    local self = setmetatable({ sock = ngx.socket.tcp(), number = 0 }, META)
    local sock = self.sock
    sock:settimeout(5000)
    local ok, err
    if options.path then
        ok, err = sock:connect("unix:" .. options.path, { pool = options.pool })
    else
        ok, err = sock:connect("127.0.0.1", options.port or PORT, { pool = options.pool })
    end
    if not ok then return nil, err end
    if sock:getreusedtimes() > 0 then return self end
    local hello
    hello, err = read_packet(self)
    if not hello then return nil, err end
    if byte(hello) == 255 then return nil, sub(hello, 4) end
    local version, pos = hello:match "^\10([^%z]*)%z()"
    self.version = version
    local salt = sub(hello, pos + 4, pos + 11) .. sub(hello, pos + 31, pos + 42)
    local flags = CAPABILITIES + (options.tls and TLS or 0)
    local start = le(flags, 4) .. le(MAX_PACKET, 4) .. char(45) .. ("\0"):rep(23)
    if options.tls then
        assert(send_packet(self, start))
        ok, err = sock:sslhandshake(nil, options.tls, options.verifies)
        if not ok then return nil, err end
    end
    local token = scramble(options.password or "", salt)
    ok, err = send_packet(self, concat { start, options.user, "\0", char(#token), token, options.database or "ngx_test",
        "\0mysql_native_password\0" })
    if not ok then return nil, err end
    local answer
    answer, err = read_packet(self)
    if not answer then return nil, err end
    if byte(answer) == 255 then return failure(answer) end
    assert(byte(answer) == 0, "another way to log in is asked for")
    return self
end

function db:send(query)
    self.number = 0
    return send_packet(self, "\3" .. query)
end

-- Return the rows, each a table by column; or what was changed.
function db:read()
    local packet, err = read_packet(self)
    if not packet then return nil, err end
    if byte(packet) == 255 then return failure(packet) end
    if byte(packet) == 0 then return { affected = (length_coded(packet, 2)) } end
    local names = {}
    for i = 1, (length_coded(packet, 1)) do
        local column = assert(read_packet(self))
        local pos = 1
        for _ = 1, 5 do names[i], pos = length_string(column, pos) end
    end
    assert(byte(assert(read_packet(self))) == 254)
    local rows = {}
    while true do
        packet, err = read_packet(self)
        if not packet then return nil, err end
        if byte(packet) == 255 then return failure(packet) end
        if byte(packet) == 254 and #packet < 9 then return rows end
        local row, pos = {}, 1
        for _, name in ipairs(names) do row[name], pos = length_string(packet, pos) end
        rows[#rows + 1] = row
    end
end

function db:query(query)
    local ok, err = self:send(query)
    if not ok then return nil, err end
    return self:read()
end

local function user(options)
    options = options or {}
    options.user, options.password = options.user or "lasa", options.password or "pass word"
    return connect(options)
end

-- ---- the cases ------------------------------------------------------------------------------------------------------

case("tables, rows, nulls and counts", function()
    local my = assert(user())
    equal(my.version:match "MariaDB", "MariaDB")
    equal(my:query "drop table if exists cats", { affected = 0 })
    equal(my:query "create table cats (name varchar(50), age int, data longblob)", { affected = 0 })
    equal(my:query "insert into cats (name, age) values ('Bob', 5), ('', null), (null, 7)", { affected = 3 })
    equal(my:query "select name, age from cats where age > 4 or age is null",
        { { name = "Bob", age = "5" }, { name = "", age = ngx.null }, { name = ngx.null, age = "7" } })
    equal(my:query "select 1 as x where 1 = 2", {})
    my.sock:close()
end)

case("bytes of every kind, and three megabytes in one value", function()
    local my = assert(user())
    local binary = "\0\1'\\\255\26\"" .. ("\0\r\n"):rep(100)
    equal(my:query("insert into cats (name, data) values ('bytes', " .. ngx.quote_sql_str(binary) .. ")").affected, 1)
    equal(my:query "select data from cats where name = 'bytes'", { { data = binary } })
    local large = ("0123456789\0abcde"):rep(196608)
    equal(my:query("insert into cats (name, data) values ('large', " .. ngx.quote_sql_str(large) .. ")").affected, 1)
    equal(my:query "select data from cats where name = 'large'"[1].data == large, true)
    my.sock:close()
end)

case("a query larger than a packet", function()
    local my = assert(user())
    equal(my:query("select length('" .. ("x"):rep(MAX_PACKET + 1000) .. "') as size"), { { size = "16778215" } })
    my.sock:close()
end)

case("ten thousand rows, packet by packet", function()
    local my = assert(user())
    local rows = assert(my:query "select seq from seq_1_to_10000")
    equal(#rows, 10000)
    equal(rows[10000].seq, "10000")
    my.sock:close()
end)

case("errors have the server's words and numbers", function()
    local my = assert(user())
    equal({ my:query "select x from nowhere" }, { nil, "Table 'ngx_test.nowhere' doesn't exist", 1146 })
    equal(my:query "select 'still here' as x", { { x = "still here" } })
    my.sock:close()
    local _, err, number = user { password = "wrong" }
    equal(number, 1045)
    equal(err:match "^Access denied for user 'lasa'@", "Access denied for user 'lasa'@")
    local _, _, other = user { database = "nowhere" }
    equal(other, 1044)
end)

case("root over the unix socket", function()
    local my = assert(connect { path = SOCKET, user = "root" })
    equal(my:query "select current_user() as name", { { name = "root@localhost" } })
    my.sock:close()
end)

case("TLS inside the handshake, and the certificate checked", function()
    local my = assert(user { tls = "localhost", verifies = true, pool = "tls" })
    equal(my:query "show status like 'Ssl_version'"[1].Value:match "^TLSv1%.[23]$" ~= nil, true)
    equal(my.sock:setkeepalive(10000, 5), 1)
    my = assert(user { tls = "localhost", pool = "tls" })
    equal(my.sock:getreusedtimes(), 1)
    equal(my:query "select 'again' as x", { { x = "again" } })
    my.sock:close()
    equal({ user { tls = "elsewhere", verifies = true } }, { nil, "certificate host mismatch" })
    my = assert(user { tls = "elsewhere" })
    my.sock:close()
end)

case("a transaction is undone, and twenty light threads count in one table", function()
    local my = assert(user())
    my:query "drop table if exists numbers"
    my:query "create table numbers (value int) engine=innodb"
    my:query "insert into numbers values (0)"
    equal(my:query "start transaction", { affected = 0 })
    equal(my:query "update numbers set value = 5", { affected = 1 })
    equal(my:query "rollback", { affected = 0 })
    equal(my:query "select value from numbers", { { value = "0" } })
    local function work()
        for _ = 1, 5 do
            local mine = assert(user())
            equal(mine:query "update numbers set value = value + 1", { affected = 1 })
            assert(mine.sock:setkeepalive(10000, 30))
        end
    end
    local workers = {}
    for i = 1, 20 do workers[i] = work end
    all(unpack(workers))
    equal(my:query "select value from numbers", { { value = "100" } })
    my.sock:close()
end)

case("a query that takes too long, and a connection that the server ends", function()
    local my, other = assert(user()), assert(user())
    my.sock:settimeout(20)
    equal({ my:query "select sleep(0.2)" }, { nil, "timeout" })
    my.sock:settimeout(5000)
    equal(my:read(), { { ["sleep(0.2)"] = "0" } })
    local number = my:query "select connection_id() as number"[1].number
    local asking = ngx.thread.spawn(function() return my:query "select sleep(5)" end)
    ngx.sleep(0.02)
    equal(other:query("kill " .. number), { affected = 0 })
    local ok, found, err = ngx.thread.wait(asking)
    equal({ ok, found }, { true, nil })
    equal(err == "closed" or err == "Connection was killed", true)
    equal(my:query "select 1", nil)
    other.sock:close()
end)
