-- TCP and unix stream cosockets: ngx.socket.tcp and lasa.socket.tcp. A socket is a table with Python's at index 1.

local core = ...

local ffi = require "ffi"

local native = core.native.sockets
local wait, current, payload_of = core.wait, core.current, core.payload_of
local co_yield, isyieldable = core.raw_yield, coroutine.isyieldable
local RAISE, WAIT = core.RAISE, core.WAIT
local error, format, getmetatable, pairs, select, setmetatable, tonumber, tostring, type =
    error, string.format, getmetatable, pairs, select, setmetatable, tonumber, tostring, type
local number_text, bad_argument, wrong_count = core.number_text, core.bad_argument, core.wrong_count
local integer_of, whole = core.arguments.integer, core.arguments.whole

local send_now, send = native.send_now, native.send
local receive_line, receive = core.python_of[native.receive_line], core.python_of[native.receive]

local BEYOND = 2 ^ 63 -- no integer holds it

local tcp = {}
local META = { __index = tcp } -- ngx.socket: TLS is not verified unless asked, as in OpenResty
local SAFE_META = { __index = setmetatable({}, { __index = tcp }) } -- lasa.socket: TLS is verified

local function no_socket(self)
    if type(self) ~= "table" then
        bad_argument(3, 1, "table expected, got " .. core.type_name(self, self == nil and 0))
    end
    bad_argument(3, 1, "not a socket: its table has been changed")
end

local function handle_of(self)
    local handle = type(self) == "table" and self[1]
    return type(handle) == "userdata" and handle or no_socket(self)
end

-- Remember a socket, so that it is closed at the end of what the script runs for.
function core.own_socket(self, abort)
    local handler = current().handler
    local sockets = handler.sockets
    if not sockets then
        sockets = setmetatable({}, { __mode = "k" })
        handler.sockets = sockets
    end
    sockets[self] = abort
end

local function new_socket(meta, handle)
    local self = setmetatable({ handle }, meta)
    core.own_socket(self, native.abort)
    return self
end

-- The sockets of a handler that is over.
function core.close_sockets(sockets)
    for self, abort in pairs(sockets) do
        if self[1] then abort(self[1]) end
    end
end

-- ---- reading -------------------------------------------------------------------------------------------------------

local function bad_receive(message)
    bad_argument(1, 2, message)
end

local log_errors, socket_failed = core.log_socket_errors, core.socket_failed

local function received(first, err, ...)
    if first == RAISE then return bad_receive(err) end
    if first then return first end
    if log_errors and err then socket_failed("receive", err, (...)) end
    return first, err, ...
end

-- The same for a waiting call, as `name` in the log.
local function logged(name, address, ...)
    local ok, err, partial = ...
    if not ok and err and log_errors then socket_failed(name, err, partial, address) end
    return ...
end

function tcp.receive(...)
    local n = select("#", ...)
    if n ~= 1 and n ~= 2 then wrong_count(1, "1 or 2", n) end
    local self, pattern = ...
    local handle = handle_of(self)
    if not isyieldable() then core.cannot_yield(2) end
    if n == 1 or pattern == "*l" then return received(co_yield(WAIT, receive_line, handle)) end
    local kind = type(pattern)
    if kind == "number" then
        if pattern ~= pattern or pattern >= BEYOND then bad_argument(1, 2, "bad pattern argument") end
        if pattern > -1 then pattern = whole(pattern) end
    elseif kind ~= "string" then
        bad_argument(1, 2, "bad pattern argument")
    end
    return received(co_yield(WAIT, receive, handle, pattern))
end

function tcp:receiveany(...)
    local handle = handle_of(self)
    local n = select("#", ...)
    if n ~= 1 then wrong_count(1, "2", n + 1) end
    local max = ...
    max = type(max) ~= "cdata" and tonumber(max)
    if not max or not (max >= 1 and max < BEYOND) then bad_argument(1, 2, "bad max argument") end
    return logged("receive", nil, wait(native.receiveany, handle, whole(max)))
end

function tcp.receiveuntil(...)
    local n = select("#", ...)
    if n ~= 2 and n ~= 3 then wrong_count(1, "2 or 3", n) end
    local self, pattern, options = ...
    local handle = handle_of(self)
    if type(pattern) == "number" then pattern = tostring(pattern) end
    if type(pattern) ~= "string" then
        bad_argument(1, 2, "string expected, got " .. type(pattern))
    end
    local inclusive = false
    if n == 3 then
        if type(options) ~= "table" then
            bad_argument(1, 3, "table expected, got " .. type(options))
        end
        inclusive = options.inclusive
        if inclusive == nil then
            inclusive = false
        elseif type(inclusive) ~= "boolean" then
            error('bad "inclusive" option value type: ' .. type(inclusive), 2)
        end
    end
    if pattern == "" then return nil, "pattern is empty" end
    local reader = native.receiveuntil(handle, pattern, inclusive)
    return function(...)
        if select("#", ...) == 0 then return logged("receive", nil, wait(reader)) end
        local size = ...
        if type(size) ~= "number" then size = integer_of(1, size) end
        return logged("receive", nil, wait(reader, whole(size)))
    end
end

-- ---- writing -------------------------------------------------------------------------------------------------------

local function sent_all(size, ok, err)
    if ok then return size end
    if log_errors then socket_failed("send", err) end
    return ok, err
end

function tcp:send(...)
    local n = select("#", ...)
    if n ~= 1 then wrong_count(1, "2", n + 1) end
    local handle = handle_of(self)
    local data = ...
    if type(data) ~= "string" then
        local complaint
        data, complaint = payload_of(data)
        if not data then bad_argument(1, 2, complaint) end
    end
    -- Most data fits the kernel's buffer: no need to yield.
    local size = #data
    local sent = send_now(handle, data)
    if sent == size then return size end
    if sent then return sent_all(size, wait(send, handle, data:sub(sent + 1))) end
    return sent_all(size, wait(send, handle, data))
end

-- ---- connecting and serving ----------------------------------------------------------------------------------------

local function pool_of(options)
    local pool = options.pool
    local kind = type(pool)
    if kind == "string" or pool == nil then return pool end
    if kind ~= "number" then bad_argument(2, 4, 'bad "pool" option type: ' .. kind) end
    return number_text(pool)
end

local function count_of(options, name, least)
    local value = options[name]
    if value == nil then return nil end
    local kind = type(value)
    local number = (kind == "number" or kind == "string") and tonumber(value)
    if not number then bad_argument(2, 4, format('bad "%s" option type: %s', name, kind)) end
    local count = whole(number)
    if count < least then bad_argument(2, 4, format('bad "%s" option value: %s', name, number_text(count))) end
    return count
end

local function connected(host, port, ok, err)
    if ok then return ok end
    if log_errors then socket_failed("connect", err, true, port and host .. ":" .. tostring(port) or host) end
    return ok, err
end

-- Returns what is wrong with a port that no integer can hold; the others are Python's to check.
local function bad_port(port)
    if type(port) ~= "number" or (port > -BEYOND and port < BEYOND) then return nil end
    return "bad port number: " .. number_text(port)
end

core.bad_port = bad_port

function tcp.connect(...)
    local n = select("#", ...)
    if n < 2 or n > 4 then
        error(format("ngx.socket connect: expecting 2, 3, or 4 arguments (including the object), but seen %d", n), 2)
    end
    local self, host, port, options = ...
    local handle = handle_of(self)
    if type(host) ~= "string" then
        if type(host) ~= "number" then
            bad_argument(1, 2, "string expected, got " .. type(host))
        end
        host = number_text(host)
    end
    if options == nil and type(port) == "table" then port, options = nil, port end
    local complaint = bad_port(port)
    if complaint then return nil, complaint end
    if type(options) ~= "table" then return connected(host, port, wait(native.connect, handle, host, port)) end
    return connected(host, port, wait(native.connect, handle, host, port, pool_of(options),
        count_of(options, "pool_size", 1), count_of(options, "backlog", 0)))
end

function tcp:bind(ip, port)
    local handle = handle_of(self)
    if type(ip) == "number" then ip = number_text(ip) end
    if type(ip) ~= "string" then bad_argument(1, 2, "string expected, got " .. core.type_name(ip, ip == nil and 0)) end
    return native.bind(handle, ip, port)
end

function tcp:listen() return native.listen(handle_of(self)) end

local function accepted(self, handle, ...)
    if not handle then return nil, ... end
    return new_socket(getmetatable(self), handle)
end

function tcp:accept() return accepted(self, wait(native.accept, handle_of(self), getmetatable(self) == SAFE_META)) end

-- A TLS session is cdata for scripts, as in OpenResty; Python's stays in Lua's own table for as long.
ffi.cdef "typedef struct { double number; } lasa_ssl_session_t;"

local sessions, last_session = {}, 0
local Session = ffi.metatype("lasa_ssl_session_t", {
    __gc = function(session) sessions[session.number] = nil end,
})

local function as_cdata(ok, ...)
    if type(ok) ~= "userdata" then return ok, ... end
    last_session = last_session + 1
    sessions[last_session] = ok
    return Session(last_session)
end

-- OpenResty has one word for all causes, which are in the log; lasa.socket tells them.
local function told(is_safe, ok, ...)
    if not is_safe and not ok and (...):find("handshake failed: ", 1, true) == 1 then return nil, "handshake failed" end
    return ok, ...
end

local function shake_hands(self, is_safe, reused_session, server_name, ssl_verify)
    local handle = handle_of(self)
    if type(reused_session) == "cdata" then
        if not ffi.istype(Session, reused_session) then bad_argument(1, 2, "bad session: another kind of cdata") end
        reused_session = sessions[reused_session.number]
    elseif reused_session ~= false then
        reused_session = nil -- what is no session is none
    end
    if server_name == false then server_name = nil end
    if server_name ~= nil and type(server_name) ~= "string" then
        bad_argument(1, 3, "string expected, got " .. type(server_name))
    end
    if ssl_verify == nil then ssl_verify = is_safe end
    return as_cdata(told(is_safe, logged("handshake", server_name, wait(native.sslhandshake, handle, reused_session,
        server_name, ssl_verify and true or false, is_safe))))
end

function tcp.sslhandshake(...)
    local n = select("#", ...)
    if n < 1 or n > 5 then
        error(format("ngx.socket sslhandshake: expecting 1 ~ 5 arguments (including the object), but seen %d", n), 2)
    end
    return shake_hands(..., false, select(2, ...))
end
SAFE_META.__index.sslhandshake = function(self, ...) return shake_hands(self, true, ...) end

-- Returns what is wrong with a path, by OpenResty's name for the argument.
local function bad_path(name, value)
    if type(value) == "string" then return nil end
    return format("bad %s arg: string expected, got %s", name, type(value))
end

function tcp:sslaccept(certificate, key)
    local handle = handle_of(self)
    local complaint = certificate ~= nil and bad_path("cert", certificate) or key ~= nil and bad_path("pkey", key)
    if complaint then return nil, complaint end
    return wait(native.sslaccept, handle, certificate, key)
end

-- The certificate and the key are files, or what ngx.ssl has parsed.
function tcp:setclientcert(certificate, key)
    local handle = handle_of(self)
    if not certificate and not key then return native.setclientcert(handle) end
    if not certificate or not key then
        return nil, "client certificate must be supplied with corresponding private key"
    end
    if type(certificate) == "cdata" and type(key) == "cdata" then
        core.load_chunk "ssl"
        local pem, err = core.pem_of(certificate, key)
        if not pem then return nil, err end
        return native.setclientcert_text(handle, pem)
    end
    local complaint = bad_path("cert", certificate) or bad_path("pkey", key)
    if complaint then return nil, complaint end
    return native.setclientcert(handle, certificate, key)
end

-- ---- all the rest, which never waits -------------------------------------------------------------------------------

function tcp:close() return native.close(handle_of(self)) end

function tcp:shutdown(direction)
    local handle = handle_of(self)
    if direction ~= "send" and direction ~= "receive" and direction ~= "both" then
        bad_argument(1, 2, "bad shutdown argument: " .. tostring(direction))
    end
    return native.shutdown(handle, direction)
end

function tcp:peek() return native.peek(handle_of(self)) end

-- What is no number is 0, the default: libraries have handed over tables, and OpenResty does not mind.
local function timeout_of(value)
    local timeout = tonumber(value) or 0
    if timeout >= 2147483648 then error("bad timeout value", 3) end
    return timeout
end

local function expect_arguments(name, wanted, n)
    if n ~= wanted then
        error(format("ngx.socket %s: expecting %d arguments (including the object) but seen %d", name, wanted, n), 3)
    end
end

function tcp.settimeout(self, ...)
    local handle = handle_of(self)
    expect_arguments("settimeout", 2, select("#", ...) + 1)
    local timeout = timeout_of((...))
    native.settimeouts(handle, timeout, timeout, timeout, getmetatable(self) == SAFE_META)
end

function tcp.settimeouts(self, ...)
    local handle = handle_of(self)
    expect_arguments("settimeout", 4, select("#", ...) + 1)
    local connect, send_, read = ...
    native.settimeouts(handle, timeout_of(connect), timeout_of(send_), timeout_of(read),
        getmetatable(self) == SAFE_META)
end

local function name_of(option)
    if option == nil or type(option) == "string" then return option end
    return type(option) == "number" and number_text(option) or tostring(option)
end

-- Returns an option's value as the C int that OpenResty makes of it.
local function int_of(value)
    local kind = type(value)
    if kind == "boolean" then return value and 1 or 0 end
    if kind == "cdata" and (ffi.istype("int64_t", value) or ffi.istype("uint64_t", value)) then
        return tonumber(ffi.cast("int", value))
    end
    if kind == "number" then return value > -2 ^ 31 and value < 2 ^ 31 and whole(value) or -2 ^ 31 end
    bad_argument(2, 3, format("cannot convert '%s' to 'int'", kind == "userdata" and "void *" or kind))
end

function tcp:setoption(name, value)
    local handle = handle_of(self)
    if name == nil or value == nil then return native.setoption(handle, name_of(name), value) end
    return native.setoption(handle, name_of(name), (int_of(value)))
end

function tcp:getoption(name) return native.getoption(handle_of(self), name_of(name)) end

-- What the connection is in comes before what is wrong with the arguments, and the size matters to a new pool only.
local function keep(self, timeout, size)
    local handle = handle_of(self)
    local makes_pool, err = native.makes_pool(handle)
    if makes_pool == nil then return nil, err end
    if timeout ~= nil then timeout = integer_of(2, timeout) end
    if not makes_pool then
        size = nil
    elseif size ~= nil then
        size = integer_of(3, size)
        if size < 1 then bad_argument(1, 3, 'bad "pool_size" option value: ' .. number_text(size)) end
    end
    return native.setkeepalive(handle, timeout, size)
end

local function is_count(value, least)
    return value == nil or type(value) == "number" and value >= least and value < BEYOND and value % 1 == 0
end

function tcp.setkeepalive(...)
    local n = select("#", ...)
    if n < 1 or n > 3 then error(format("expecting 1 to 3 arguments (including the object), but got %d", n), 2) end
    local self, timeout, size = ...
    -- Arguments that nothing is wrong with need no look at the connection before.
    if is_count(timeout, 0) and is_count(size, 1) then return native.setkeepalive(handle_of(self), timeout, size) end
    return keep(...)
end

function tcp:getreusedtimes() return native.getreusedtimes(handle_of(self)) end
function tcp:getfd() return native.getfd(handle_of(self)) end
function tcp:getsockname() return native.getsockname(handle_of(self)) end
function tcp:getpeername() return native.getpeername(handle_of(self)) end

-- ---- constructors --------------------------------------------------------------------------------------------------

local function family(meta, is_safe)
    local socket = {}
    function socket.tcp(...)
        local n = select("#", ...)
        if n > 0 then error(format("expecting zero arguments, but got %d", n), 2) end
        core.check_phase(1)
        return new_socket(meta, native.tcp(is_safe))
    end
    socket.stream = socket.tcp
    function socket.connect(...)
        local host = ...
        if type(host) ~= "string" and type(host) ~= "number" then
            bad_argument(1, 1, "string expected, got " .. core.type_name(host, select("#", ...)))
        end
        core.check_phase(1)
        local sock = new_socket(meta, native.tcp(is_safe))
        local ok, err = tcp.connect(sock, ...)
        if not ok then return nil, err end
        return sock
    end
    return socket
end

core.ngx.socket = family(META, false)
core.lasa.socket = family(SAFE_META, true)
