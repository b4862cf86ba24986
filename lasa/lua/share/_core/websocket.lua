-- lasa.websocket: the seed's WebSocket client and server, over lasa's own, frame by frame. A socket is a table with
-- Python's at index 1.

local core = ...

local native = core.native.websockets
local wait, wait_then, own_socket = core.wait, core.wait_then, core.own_socket
local error, format, ipairs, rawget, setmetatable, tonumber, tostring, type =
    error, string.format, ipairs, rawget, setmetatable, tonumber, tostring, type

local function bad_argument(position, name, expected, value, level)
    local got = core.type_name(value, value == nil and 0)
    error(format("bad argument #%d to '%s' (%s expected, got %s)", position, name, expected, got), (level or 1) + 2)
end

local function handle_of(self, name, what)
    local handle = type(self) == "table" and rawget(self, 1)
    if not handle then error(format("calling '%s' on bad self (%s expected)", name, what or "a WebSocket"), 3) end
    return handle
end

-- ---- frames, for both sides -----------------------------------------------------------------------------------------

local wb = {}
local CONNECTION = { __index = wb } -- one that a server has accepted

local function payload_of(value, position, name)
    local kind = type(value)
    if kind == "string" or kind == "nil" then return value end
    if kind == "number" then return core.number_text(value) end
    if kind == "boolean" then return tostring(value) end
    bad_argument(position, name, "string", value, 2)
end

for _, name in ipairs { "send_text", "send_binary", "send_continue", "send_ping", "send_pong" } do
    local send = native[name]
    wb[name] = function(self, data)
        local handle = handle_of(self, name)
        return wait(send, handle, (payload_of(data, 1, name)))
    end
end

function wb:send_close(code, message)
    local handle = handle_of(self, "send_close")
    local payload = payload_of(message, 2, "send_close")
    if code and type(code) ~= "number" then return nil, "bad status code" end
    return wait(native.send_close, handle, code or nil, payload)
end

function wb:send_frame(fin, opcode, payload)
    local handle = handle_of(self, "send_frame")
    local number = tonumber(opcode)
    if not number then bad_argument(2, "send_frame", "number", opcode) end
    return wait(native.send_frame, handle, fin and true or false, number, (payload_of(payload, 3, "send_frame")))
end

function wb:recv_frame() return wait(native.recv_frame, handle_of(self, "recv_frame")) end

function wb:close() return wait(native.close, handle_of(self, "close")) end

local function timeout_of(value, name)
    local timeout = tonumber(value)
    if value ~= nil and not timeout then bad_argument(1, name, "number", value, 2) end
    timeout = timeout or 0
    if timeout >= 2147483648 then error(format("bad argument #1 to '%s' (bad timeout value)", name), 3) end
    return timeout
end

function wb:set_timeout(timeout)
    local handle = handle_of(self, "set_timeout")
    native.set_timeout(handle, (timeout_of(timeout, "set_timeout")))
end

-- The subprotocol that was agreed on, nil for none.
function wb:get_protocol() return native.protocol(handle_of(self, "get_protocol")) end

-- ---- clients --------------------------------------------------------------------------------------------------------

local client = {}
local of_client = setmetatable({}, CONNECTION)
local CLIENT = { __index = of_client }

local function client_around(handle)
    local self = setmetatable({ handle }, CLIENT)
    own_socket(self, native.abort)
    return self
end

-- Both client.new(options) and client:new(options).
function client.new(first, second)
    local options = first
    if first == client then options = second end
    if options ~= nil and type(options) ~= "table" then bad_argument(1, "new", "table", options) end
    return wait_then(client_around, native.new_client, options)
end

function of_client:connect(uri, options)
    local handle = handle_of(self, "connect")
    if type(uri) ~= "string" then bad_argument(1, "connect", "string", uri) end
    if options ~= nil and type(options) ~= "table" then bad_argument(2, "connect", "table", options) end
    return wait(native.connect, handle, uri, options)
end

function of_client:set_keepalive(timeout, size)
    local handle = handle_of(self, "set_keepalive")
    if timeout ~= nil and not tonumber(timeout) then bad_argument(1, "set_keepalive", "number", timeout) end
    if size ~= nil and not tonumber(size) then bad_argument(2, "set_keepalive", "number", size) end
    return wait(native.set_keepalive, handle, tonumber(timeout), tonumber(size))
end

-- ---- servers --------------------------------------------------------------------------------------------------------

local server = {}
local listening = {}
local SERVER = { __index = listening }

local function server_of(handle, url, port)
    if not handle then return nil, url end -- the error
    local self = setmetatable({ handle, url = url, port = port }, SERVER)
    own_socket(self, native.close_server)
    return self
end

-- Both server.new(where) and server:new(where): "host:port", or a table with `host` and the other options.
function server.new(first, second)
    local where = first
    if first == server then where = second end
    if type(where) ~= "string" and type(where) ~= "table" then bad_argument(1, "new", "string or table", where) end
    return wait_then(server_of, native.new_server, where)
end

local function connection_of(handle, path)
    if not handle then return nil, path end -- the error
    local self = setmetatable({ handle, path = path }, CONNECTION)
    own_socket(self, native.abort)
    return self
end

function listening:accept() return wait_then(connection_of, native.accept, handle_of(self, "accept", "a server")) end

function listening:set_timeout(timeout)
    local handle = handle_of(self, "set_timeout", "a server")
    native.set_accept_timeout(handle, (timeout_of(timeout, "set_timeout")))
end

function listening:close() return wait(native.close_server, handle_of(self, "close", "a server")) end

core.lasa.websocket = { client = client, server = server }
