-- UDP and unix datagram cosockets: ngx.socket.udp and lasa.socket.udp.

local core = ...

local native = core.native.datagrams
local bad_argument, wrong_count = core.bad_argument, core.wrong_count
local wait, payload_of, number_text = core.wait, core.payload_of, core.number_text
local whole = core.arguments.whole
local sub = string.sub
local error, format, select, setmetatable, tonumber, tostring, type =
    error, string.format, select, setmetatable, tonumber, tostring, type

local udp = {}
local META = { __index = udp }

local function handle_of(self)
    local handle = type(self) == "table" and self[1]
    if type(handle) ~= "userdata" then bad_argument(2, 1, "table expected, got " .. core.type_name(self, self == nil and 0)) end
    return handle
end

local function address_of(ip)
    if type(ip) == "number" then return number_text(ip) end
    if type(ip) ~= "string" then bad_argument(2, 2, "string expected, got " .. core.type_name(ip, ip == nil and 0)) end
    return ip
end

local function number_of(port, position)
    local kind = type(port)
    if (kind ~= "number" and kind ~= "string") or not tonumber(port) then
        bad_argument(2, position, "number expected, got " .. core.type_name(port, port == nil and 0))
    end
end

function udp.setpeername(...)
    local n = select("#", ...)
    if n ~= 2 and n ~= 3 then
        error(format("ngx.socket.udp setpeername: expecting 2 or 3 arguments (including the object), but seen %d", n), 2)
    end
    local self, host, port = ...
    local handle = handle_of(self)
    if type(host) == "number" then host = number_text(host) end
    if type(host) ~= "string" then
        bad_argument(1, 2, "string expected, got " .. type(host))
    end
    if sub(host, 1, 5):lower() ~= "unix:" then
        number_of(port, 3)
        local complaint = core.bad_port(port)
        if complaint then return nil, complaint end
    end
    return wait(native.setpeername, handle, host, port)
end

function udp:setsockname(ip, port)
    local handle = handle_of(self)
    ip = address_of(ip)
    if sub(ip, 1, 5):lower() ~= "unix:" then number_of(port, 3) end
    local complaint = core.bad_port(port)
    if complaint then return nil, complaint end
    return native.setsockname(handle, ip, port)
end

function udp:bind(ip)
    local handle = handle_of(self)
    return native.bind(handle, (address_of(ip)))
end
function udp:getsockname() return native.getsockname(handle_of(self)) end

local function bytes_of(data)
    local payload, complaint = payload_of(data)
    if not payload then bad_argument(2, 2, complaint) end
    return payload
end

local function logged(name, ...)
    local ok, err = ...
    if not ok and err and core.log_socket_errors then core.socket_failed("udp " .. name, err) end
    return ...
end

function udp.send(...)
    local n = select("#", ...)
    if n ~= 2 then wrong_count(1, "2", n) end
    local self, data = ...
    local handle = handle_of(self)
    return logged("send", wait(native.send, handle, (bytes_of(data))))
end

function udp:sendto(data, host, port)
    local handle = handle_of(self)
    local payload = bytes_of(data)
    if type(host) == "number" then host = number_text(host) end
    if type(host) ~= "string" then
        bad_argument(1, 3, "string expected, got " .. core.type_name(host, host == nil and 0))
    end
    if sub(host, 1, 5):lower() ~= "unix:" then number_of(port, 4) end
    local complaint = core.bad_port(port)
    if complaint then return nil, complaint end
    return wait(native.sendto, handle, payload, host, port)
end

-- Returns the size to cut a datagram to; as in OpenResty, a negative one and what no integer can hold do not cut it.
local function size_of(size)
    if size == nil then return nil end
    local kind = type(size)
    local number = (kind == "number" or kind == "string") and tonumber(size)
    if not number then bad_argument(2, 2, "number expected, got " .. kind) end
    return number > -1 and number < 2 ^ 63 and whole(number) or nil
end

function udp.receive(...)
    local n = select("#", ...)
    if n ~= 1 and n ~= 2 then wrong_count(1, "1 or 2", n) end
    local self, size = ...
    local handle = handle_of(self)
    return logged("receive", wait(native.receive, handle, (size_of(size))))
end

function udp:receivefrom(size) return wait(native.receivefrom, handle_of(self), (size_of(size))) end

function udp.settimeout(...)
    local n = select("#", ...)
    if n < 2 then
        error(format("ngx.socket settimeout: expecting at least 2 arguments (including the object) but seen %d", n), 2)
    end
    local self, timeout = ...
    local handle = handle_of(self)
    native.settimeout(handle, tonumber(timeout) or 0, self[2])
end

function udp:close() return native.close(handle_of(self)) end

local function constructor(is_safe)
    return function(...)
        local n = select("#", ...)
        if n > 0 then error(format("expecting zero arguments, but got %d", n), 2) end
        core.check_phase(1)
        local self = setmetatable({ native.udp(is_safe), is_safe }, META)
        core.own_socket(self, native.close)
        return self
    end
end

core.ngx.socket.udp = constructor(false)
core.lasa.socket.udp = constructor(true)
