-- TCP and unix stream cosockets: ngx.socket.tcp and lasa.socket.tcp. A socket is a table with Python's at index 1.

local core = ...

local ffi = require "ffi"

local native = core.native.sockets
local wait, waiter, current, payload_of = core.wait, core.waiter, core.current, core.payload_of
local co_yield, isyieldable = core.raw_yield, coroutine.isyieldable
local RAISE, WAIT = core.RAISE, core.WAIT
local error, format, getmetatable, pairs, select, setmetatable, tonumber, tostring, type =
    error, string.format, getmetatable, pairs, select, setmetatable, tonumber, tostring, type
local number_text, bad_argument, wrong_count = core.number_text, core.bad_argument, core.wrong_count

local receive_line, receive, send_now, send = native.receive_line, native.receive, native.send_now, native.send

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
    return type(self) == "table" and self[1] or no_socket(self)
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
    if kind ~= "string" and kind ~= "number" then
        bad_argument(1, 2, "bad pattern argument")
    end
    return received(co_yield(WAIT, receive, handle, pattern))
end

local wait_any = waiter(2)

function tcp:receiveany(...)
    local handle = handle_of(self)
    local n = select("#", ...)
    if n ~= 1 then wrong_count(1, "2", n + 1) end
    local max = tonumber((...))
    if not max or max < 1 then bad_argument(1, 2, "bad max argument") end
    return logged("receive", nil, wait_any(native.receiveany, handle, max))
end

local wait_until = waiter(1)

function tcp.receiveuntil(...)
    local n = select("#", ...)
    if n ~= 2 and n ~= 3 then wrong_count(1, "2 or 3", n) end
    local self, pattern, options = ...
    local handle = handle_of(self)
    if type(pattern) == "number" then pattern = tostring(pattern) end
    if type(pattern) ~= "string" then
        bad_argument(1, 2, "string expected, got " .. core.type_name(pattern, pattern == nil and 0))
    end
    local inclusive = false
    if options ~= nil then
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
    return function(size)
        if size ~= nil and type(size) ~= "number" then
            size = tonumber(size) or bad_argument(1, 1, "number expected, got " .. type(size))
        end
        if size then return logged("receive", nil, wait_until(reader, size)) end
        return logged("receive", nil, wait_until(reader))
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

local POOL_KINDS = { pool = "string", pool_size = "number", backlog = "number" }

local function option_of(options, name)
    local value = options[name]
    if value == nil then return nil end
    if name == "backlog" then value = tonumber(value) or value end
    local kind = type(value)
    if kind ~= POOL_KINDS[name] and kind ~= "number" then
        bad_argument(2, 4, format('bad "%s" option type: %s', name, kind))
    end
    if name == "pool" then return kind == "number" and number_text(value) or value end
    if (name == "pool_size" and value <= 0) or value < 0 then
        bad_argument(2, 4, format('bad "%s" option value: %s', name, number_text(value)))
    end
    return value
end

local function connected(host, port, ok, err)
    if ok then return ok end
    if log_errors then socket_failed("connect", err, true, port and host .. ":" .. tostring(port) or host) end
    return ok, err
end

function tcp.connect(...)
    local n = select("#", ...)
    if n < 2 or n > 4 then
        error(format("ngx.socket connect: expecting 2, 3, or 4 arguments (including the object), but seen %d", n), 2)
    end
    local self, host, port, options = ...
    local handle = handle_of(self)
    if type(host) ~= "string" then
        if type(host) ~= "number" then
            bad_argument(1, 2, "string expected, got " .. core.type_name(host, host == nil and 0))
        end
        host = number_text(host)
    end
    if options == nil and type(port) == "table" then port, options = nil, port end
    if type(options) ~= "table" then return connected(host, port, wait(native.connect, handle, host, port)) end
    return connected(host, port, wait(native.connect, handle, host, port, option_of(options, "pool"),
        option_of(options, "pool_size"), option_of(options, "backlog")))
end

function tcp:bind(ip, port)
    return wait(native.bind, handle_of(self), ip, port)
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
    if reused_session ~= nil and type(reused_session) ~= "boolean" then
        if not ffi.istype(Session, reused_session) then
            bad_argument(1, 2, "bad session: cdata expected, got " .. type(reused_session))
        end
        reused_session = sessions[reused_session.number]
    end
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

function tcp:sslaccept(certificate, key) return wait(native.sslaccept, handle_of(self), certificate, key) end

function tcp:setclientcert(certificate, key)
    return wait(native.setclientcert, handle_of(self), certificate, key)
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

function tcp:setoption(name, value)
    return native.setoption(handle_of(self), name, value)
end

function tcp:getoption(name) return native.getoption(handle_of(self), name) end

local function whole(value, position)
    if value == nil then return nil end
    local number = type(value) ~= "boolean" and tonumber(value)
    if not number then
        bad_argument(2, position, "number expected, got " .. type(value))
    end
    return number
end

local wait_keepalive = waiter(3)

function tcp:setkeepalive(timeout, size)
    local handle = handle_of(self)
    timeout, size = whole(timeout, 2), whole(size, 3)
    if size and size <= 0 then return wait_keepalive(native.setkeepalive, handle, timeout, size) end -- it may raise
    return native.setkeepalive(handle, timeout, size)
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
        return new_socket(meta, native.tcp(is_safe))
    end
    socket.stream = socket.tcp
    function socket.connect(...)
        local sock = new_socket(meta, native.tcp(is_safe))
        local ok, err = tcp.connect(sock, ...)
        if not ok then return nil, err end
        return sock
    end
    return socket
end

core.ngx.socket = family(META, false)
core.lasa.socket = family(SAFE_META, true)
