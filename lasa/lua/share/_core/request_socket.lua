-- ngx.req.socket: the client's connection as a cosocket. Without an argument it reads the request's body, as it comes;
-- with true it is the connection itself, in both directions, and nothing else reads or writes it any more.
-- And ngx.on_abort, which watches it for its end.
-- Source: OpenResty's manual; which calls each of the two has, lua-nginx-module.

local core = ...

local native = core.native.requests
local wait = core.wait
local request_of = core.request_of
local error, ipairs, getmetatable, select, setmetatable, type = error, ipairs, getmetatable, select, setmetatable, type
local ngx = core.ngx

local READING = { "receive", "receiveany", "receiveuntil", "settimeout", "settimeouts" }

local reader_meta, raw_meta

-- The methods are those of other cosockets; they can be had once there is a light thread to make one for.
local function make_metas()
    local methods = getmetatable(ngx.socket.tcp()).__index
    local reader, raw = {}, {}
    for _, name in ipairs(READING) do
        reader[name] = methods[name]
        raw[name] = methods[name]
    end
    raw.send = methods.send
    reader_meta, raw_meta = { __index = reader }, { __index = raw }
end

local function body_reader(handler)
    if handler.body_read or handler.body_is_being_read then return nil, "request body already exists" end
    if handler.body_discarded then return nil, "request body discarded" end
    local sock = native.body_socket(handler.number)
    if not sock then return nil, "no body" end
    handler.body_read = true
    return setmetatable({ sock }, reader_meta)
end

local function whole_connection(handler)
    if handler.has_raw then return nil, "duplicate call" end
    if handler.body_is_being_read then return nil, core.BODY_IS_BEING_READ end
    if handler.is_old and handler.pieces then return nil, "http 1.0 buffering" end
    if handler.size > 0 and not handler.closed then handler:flush(true) end
    local sock, err = wait(native.take_over, handler.number)
    if not sock then return nil, err end
    handler.has_raw, handler.is_switched, handler.headers_sent = true, true, true
    handler.closed = "raw request socket acquired"
    return setmetatable({ sock }, raw_meta)
end

function ngx.req.socket(...)
    local n = select("#", ...)
    if n > 1 then error("expecting 0 or 1 argument, but got " .. n, 2) end
    local handler = core.request_in(1)
    if not reader_meta then make_metas() end
    if ... then return whole_connection(handler) end
    return body_reader(handler)
end

-- ---- the client has gone --------------------------------------------------------------------------------------------

function ngx.on_abort(callback)
    local handler = core.request_in(1)
    if handler.on_abort then return nil, "duplicate call" end
    if type(callback) ~= "function" then error("bad argument #1 to 'on_abort' (Lua function expected)", 2) end
    handler.on_abort = callback
    native.watch_client(handler.number)
    return 1
end

-- Called by Python; returns the number of the light thread that tells the script, nil if it does not want to be told.
function core.abort_fires(number)
    local handler = core.handler(number)
    return handler.on_abort and core.new_call(handler.on_abort, handler)
end
