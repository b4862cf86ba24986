-- What a request says: ngx.req but for its body, which is in request_body.lua, and the module ngx.req. A handler may change what later calls
-- read: `method`, `uri`, `args` and `request_headers` of its table go before what the client has sent.
-- Source: OpenResty's manual; errors of arguments, lua-nginx-module and lua-resty-core.

local core = ...

local native = core.native.requests
local current, request_of, add_value, clean_value = core.current, core.request_of, core.add_value, core.clean_header_value
local clear = require "table.clear"
local byte, find, format, gmatch = string.byte, string.find, string.format, string.gmatch
local gsub, lower = string.gsub, string.lower
local error, pairs, select, setmetatable, tonumber, tostring, type, unpack =
    error, pairs, select, setmetatable, tonumber, tostring, type, unpack
local ngx = core.ngx

local MAX_ARGS, MAX_HEADERS = 100, 100
local NO_OBJECT = "no request object found"

local req = {}
ngx.req = req

-- ---- the request line -----------------------------------------------------------------------------------------------

local METHODS = {
    [0x2] = "GET", [0x4] = "HEAD", [0x8] = "POST", [0x10] = "PUT", [0x20] = "DELETE", [0x40] = "MKCOL",
    [0x80] = "COPY", [0x100] = "MOVE", [0x200] = "OPTIONS", [0x400] = "PROPFIND", [0x800] = "PROPPATCH",
    [0x1000] = "LOCK", [0x2000] = "UNLOCK", [0x4000] = "PATCH", [0x8000] = "TRACE",
}

function core.request_method(handler) return handler.method or native.method(handler.number) end

function req.get_method() return core.request_method(request_of(1)) end

function req.set_method(method)
    local handler = request_of(1)
    if type(method) ~= "number" then error("bad method number", 2) end
    handler.method = METHODS[method] or error("unsupported HTTP method: " .. method, 2)
    if handler.method == "HEAD" then handler.is_head, handler.is_old = true, nil end -- and no body is sent
end

function req.http_version()
    local version = native.http_version(request_of(1, NO_OBJECT).number)
    return version
end

function req.start_time()
    local handler = current().handler
    if not handler.is_request and handler.phase ~= "init" then return 0 end
    local start_s = native.start_time(request_of(1).number)
    return start_s
end

function req.raw_header(without_line)
    local head = native.raw_header(request_of(1, NO_OBJECT).number, without_line and true or false)
    return head
end

function req.is_internal() return request_of(1).is_internal or false end

-- ---- the URI --------------------------------------------------------------------------------------------------------

-- The path, decoded and without "//", "/./" and "/../".
function core.request_uri(handler)
    local uri = handler.uri
    if not uri then
        uri = native.uri(handler.number)
        handler.uri = uri
    end
    return uri
end

-- The query as it came, nil where there is none.
function core.request_args(handler)
    local args = handler.args
    if args == nil then
        args = native.args(handler.number) or false
        handler.args = args
    end
    return args or nil
end

function req.set_uri(...)
    local n = select("#", ...)
    if n < 1 or n > 3 then error("expecting 1, 2 or 3 arguments but seen " .. n, 2) end
    local handler = request_of(1)
    local uri, jumps, is_binary = ...
    if type(uri) == "number" then uri = core.number_text(uri) end
    if type(uri) ~= "string" then
        error("bad argument #1 to 'set_uri' (string expected, got " .. type(uri) .. ")", 2)
    end
    if uri == "" then error("attempt to use zero-length uri", 2) end
    if n == 3 and type(is_binary) ~= "boolean" then
        error("bad argument #3 to 'set_uri' (boolean expected, got " .. type(is_binary) .. ")", 2)
    end
    local unsafe = not is_binary and find(uri, "[%z\1-\31\127]")
    if unsafe then
        error(format('unsafe byte "0x%02x" in uri "%s" (maybe you want to set the \'binary\' argument?)',
            byte(uri, unsafe), core.shown(uri)), 2)
    end
    if n >= 2 and type(jumps) ~= "boolean" then
        error("bad argument #2 to 'set_uri' (boolean expected, got " .. type(jumps) .. ")", 2)
    end
    if jumps then error("API disabled in the context of content_by_lua*", 2) end
    handler.uri, handler.is_internal = uri, true
end

local function escaped(character) return format("%%%02X", byte(character)) end

function req.set_uri_args(...)
    if select("#", ...) ~= 1 then error("expecting 1 argument but seen " .. select("#", ...), 2) end
    local handler = request_of(1, NO_OBJECT)
    local args = ...
    local kind = type(args)
    if kind == "table" then
        handler.args = ngx.encode_args(args)
    elseif kind == "string" then
        handler.args = (gsub(args, "[%z\1-\32\127]", escaped))
    elseif kind == "number" then
        handler.args = tostring(args)
    else
        error("bad argument #1 to 'set_uri_args' (string, number, or table expected, but got " .. kind .. ")", 2)
    end
end

function req.get_uri_args(max, tab)
    local handler = request_of(1)
    if max ~= nil and type(max) ~= "number" then error("max_args: number expected, got " .. type(max), 2) end
    if tab then clear(tab) end
    local text = core.request_args(handler)
    if not text or text == "" then return tab or {} end
    local args, err = core.parse_args(text, max or MAX_ARGS)
    if tab then
        for key, value in pairs(args) do tab[key] = value end
        args = tab
    end
    if err then return args, err end
    return args
end

-- ---- headers --------------------------------------------------------------------------------------------------------

-- An array of { name, name in lower case, value }.
local function request_headers(handler)
    local headers = handler.request_headers
    if not headers then
        headers = {}
        for name, value in gmatch(native.headers(handler.number), "([^\n]*)\n([^\n]*)\n") do
            headers[#headers + 1] = { name, lower(name), value }
        end
        handler.request_headers = headers
    end
    return headers
end
core.request_headers = request_headers

function req.get_headers(max, is_raw)
    local headers = request_headers(request_of(1))
    max = max or MAX_HEADERS
    local count = #headers
    local is_cut = max > 0 and count > max
    if is_cut then count = max end
    local found, name = {}, is_raw and 1 or 2
    for i = 1, count do
        local header = headers[i]
        add_value(found, header[name], header[3])
    end
    if not is_raw then setmetatable(found, core.headers_by_any_name) end
    if is_cut then return found, "truncated" end
    return found
end

-- Of these the last value counts; the rest may have several.
local SINGLE = {}
for name in gmatch("accept-encoding authorization connection content-length content-type date depth destination expect "
    .. "host if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive overwrite range referer "
    .. "transfer-encoding upgrade user-agent via x-real-ip", "%S+") do
    SINGLE[name] = true
end

-- The first value takes the place of the first that there was, and its name; others come behind all.
local function replace(handler, name, ...)
    local headers = request_headers(handler)
    local key, kept = lower(name), 0
    if key == "host" then handler.has_new_host = true elseif find(key, "^if%-") then handler.is_conditional = true end
    local n, values = select("#", ...), {}
    for i = SINGLE[key] and n > 0 and n or 1, n do
        local value = clean_value(tostring((select(i, ...))))
        if value ~= "" or n > 1 and not SINGLE[key] then values[#values + 1] = value end
    end
    local placed = 0
    for i = 1, #headers do
        local header = headers[i]
        headers[i] = nil
        local is_kept = header[2] ~= key
        if not is_kept and placed < 1 and values[1] then
            placed, is_kept = 1, true
            header = { header[1], key, values[1] }
        end
        if is_kept then
            kept = kept + 1
            headers[kept] = header
        end
    end
    for i = placed + 1, #values do headers[#headers + 1] = { name, key, values[i] } end
end
core.replace_request_header = replace

function req.set_header(name, value)
    local handler = request_of(1)
    if name == nil then error("bad 'name' argument: string expected, got nil", 2) end
    name = core.clean_header_name(tostring(name))
    local n = type(value) == "table" and #value
    if lower(name) == "host" then
        local host = clean_value(tostring(n and (value[n] or "") or value))
        if find(host, "/", 1, true) or find(host, "..", 1, true) then error("failed to set header", 2) end
    end
    if value == nil then
        replace(handler, name)
    elseif n then
        replace(handler, name, unpack(value, 1, n))
    else
        replace(handler, name, value)
    end
end

-- Add to the headers of a name. Level 1 is the caller of this.
function core.add_request_header(level, name, value)
    local handler = request_of(level + 1)
    if name == nil then error("bad 'name' argument: string expected, got nil", level + 2) end
    name = tostring(name)
    if value == nil then error("bad 'value' argument: string or table expected, got nil", level + 2) end
    local values = type(value) == "table" and value or { value }
    if #values == 0 then error("bad 'value' argument: non-empty table expected", level + 2) end
    if SINGLE[lower(name)] then return req.set_header(name, values[#values]) end
    local headers = request_headers(handler)
    for i = 1, #values do headers[#headers + 1] = { name, lower(name), clean_value(tostring(values[i])) } end
end

core.modules["ngx.req"] = {
    version = core.ngx_lua_resty_version,
    add_header = function(name, value) core.add_request_header(1, name, value) end,
}

function req.clear_header(name)
    local handler = request_of(1)
    replace(handler, tostring(name))
end

-- ---- arguments of a form --------------------------------------------------------------------------------------------

function req.get_post_args(...)
    local n = select("#", ...)
    if n > 1 then error("expecting 0 or 1 arguments but seen " .. n, 2) end
    local max = ...
    if max ~= nil and not tonumber(max) then
        error("bad argument #1 to 'get_post_args' (number expected, got " .. type(max) .. ")", 2)
    end
    local handler = request_of(1, NO_OBJECT)
    if handler.body_discarded then return {} end
    if not handler.body_read then
        error("no request body found; maybe you should turn on lua_need_request_body?", 2)
    end
    if handler.body_file then return nil, "request body in temp file not supported" end
    if not handler.body then return {} end
    return core.parse_args(handler.body, max and tonumber(max) or MAX_ARGS)
end
