-- The head of a response: ngx.status, ngx.header, ngx.resp and the module ngx.resp. It stays in Lua until it is sent.
--
-- A handler's head: `status` (nil for 200), `headers`, an array of { name, name in lower case, value }, and
-- `content_type` (nil for the default, false for none). From the first output on (`headers_sent`) it is fixed.
-- Source: OpenResty's manual; which names have one value only is lua-nginx-module's.

local core = ...

local native = core.native.requests
local write_log = core.write_log
local request_of = core.request_of
local getters, setters = core.getters, core.setters
local byte, find, format, gsub, lower = string.byte, string.find, string.format, string.gsub, string.lower
local concat, error = table.concat, error
local rawget, setmetatable, tonumber, tostring, type = rawget, setmetatable, tonumber, tostring, type
local ngx = core.ngx

local ERR = 4
local MAX_HEADERS = 100
local DEFAULT_TYPE = "text/plain"

-- A second value of these replaces the first.
local SINGLE = {
    server = true, date = true, ["content-encoding"] = true, refresh = true, ["last-modified"] = true,
    ["content-range"] = true, ["accept-ranges"] = true, expires = true, etag = true, ["e-tag"] = true,
    ["content-length"] = true, location = true, ["www-authenticate"] = true,
}
local SINGLE_WHEN_ADDED = { ["content-type"] = true, location = true, ["www-authenticate"] = true }

local function escaped(character) return format("%%%02X", byte(character)) end

-- What cannot stand in a name or a value is escaped as in a URI, so that nobody smuggles in a header of their own.
local function clean_name(name)
    if not find(name, "[^%w-]") then return name end
    return (gsub(name, "[^%w!#$%%&'*+.^_`|~-]", escaped))
end

core.clean_header_name = clean_name

local function clean_value(value)
    return (gsub(value, "[%z\1-\8\10-\31\127]", escaped))
end
core.clean_header_value = clean_value

-- "X_Name" is "X-Name"; the second result is for comparing.
local function names_of(key)
    local name = clean_name((gsub(type(key) == "string" and key or tostring(key), "_", "-")))
    return name, lower(name)
end

-- ---- ngx.status -----------------------------------------------------------------------------------------------------

function getters.status()
    local handler = request_of(2)
    return handler.status or handler.headers_sent and 200 or 0
end

function setters.status(value)
    local handler = request_of(2)
    local status = tonumber(value)
    if not status then error("bad argument #1 to 'status' (number expected, got " .. type(value) .. ")", 3) end
    status = core.integer(status)
    if handler.headers_sent then
        write_log(ERR, "attempt to set ngx.status after sending out response headers")
    elseif status < 100 or status > 999 then
        write_log(ERR, format("invalid HTTP status code %d", status))
    else
        handler.status = status
    end
end

function getters.headers_sent() return request_of(2).headers_sent or false end

-- ---- ngx.header -----------------------------------------------------------------------------------------------------

-- Drop all of a name but one.
local function remove(headers, key, but)
    local kept = 0
    for i = 1, #headers do
        local header = headers[i]
        headers[i] = nil
        if header[2] ~= key or header == but then
            kept = kept + 1
            headers[kept] = header
        end
    end
end

-- Put a value in the place of the first of that name, and drop the others; "" is none.
local function put(headers, name, key, value)
    if value == "" then
        remove(headers, key)
        return
    end
    for i = 1, #headers do
        local header = headers[i]
        if header[2] == key then
            header[3] = value
            remove(headers, key, header)
            return
        end
    end
    headers[#headers + 1] = { name, key, value }
end

local function text_of(value)
    return clean_value(type(value) == "string" and value or tostring(value))
end

local function is_length(text) return not find(text, "%D") and tonumber(text) < 2 ^ 63 end

-- Set a header; or add to it, unless there is one of that name at most. Returns a complaint.
local function change(handler, key, value, adds)
    if handler.headers_sent then
        write_log(ERR, "attempt to set ngx.header.HEADER after sending out response headers")
        return
    end
    local name
    name, key = names_of(key)
    if name == "" then return end -- nginx takes it, and sends nothing
    local headers = handler.headers
    if not headers then
        headers = {}
        handler.headers = headers
    end
    adds = adds and not (SINGLE[key] or SINGLE_WHEN_ADDED[key])
    local is_list = type(value) == "table"
    if is_list and not adds and (#value < 2 or SINGLE[key] or key == "content-type") then
        is_list, value = false, value[#value]
    end
    if is_list then
        if not adds then remove(headers, key) end
        for i = 1, #value do
            local text = text_of(value[i])
            if text ~= "" then headers[#headers + 1] = { name, key, text } end
        end
        return
    end
    local text = value == nil and "" or text_of(value)
    if key == "content-type" then
        handler.content_type = text ~= "" and text
    elseif key == "content-length" and text ~= "" and not is_length(text) then
        return "failed to set header"
    elseif not adds then
        put(headers, name, key, text)
    elseif text ~= "" then
        headers[#headers + 1] = { name, key, text }
    end
end

local function set_header(_, key, value)
    local complaint = change(request_of(1), key, value)
    if complaint then error(complaint, 2) end
end

-- Add to the headers of a name, or with `sets` set them. Level 1 is the caller of this.
function core.add_response_header(level, key, value, sets)
    local handler = request_of(level + 1)
    if not sets then
        if value == nil then error("invalid header value", level + 2) end
        if type(value) == "table" and #value == 0 then return end
    end
    local complaint = change(handler, key, value, not sets)
    if complaint then error(complaint, level + 2) end
end

local function values_of(headers, key)
    local found, several
    for i = 1, #headers do
        local header = headers[i]
        if header[2] == key then
            if several then
                several[#several + 1] = header[3]
            elseif found then
                several = { found, header[3] }
            else
                found = header[3]
            end
        end
    end
    return several or found
end

local function content_type_of(handler)
    local content_type = handler.content_type
    if content_type == nil and (handler.headers_sent or handler.pieces) then return DEFAULT_TYPE end
    return content_type or nil
end

-- Return the value of a header that is to be sent, by its name in lower case: nil, a string, or an array of several.
function core.response_header(handler, key)
    if key == "content-type" then return content_type_of(handler) end
    return handler.headers and values_of(handler.headers, key)
end

-- Return what the server says of the connection; and how the body ends, if that is by chunks.
function core.response_connection(handler)
    return handler.status == 101 and "upgrade" or native.keeps_alive(handler.number) and "keep-alive" or "close"
end

function core.response_transfer_encoding(handler)
    if not handler.headers_sent or handler.header_only then return nil end
    if core.response_header(handler, "content-length") or (handler.status or 200) < 200 then return nil end
    return "chunked"
end

local function get_header(_, key)
    local handler = request_of(1)
    local _, name = names_of(key)
    return core.response_header(handler, name)
end

ngx.header = setmetatable({}, { __index = get_header, __newindex = set_header })

-- ---- all of them ----------------------------------------------------------------------------------------------------

local BY_ANY_NAME = {
    __index = function(t, key)
        if type(key) ~= "string" then return nil end
        return rawget(t, (gsub(lower(key), "_", "-")))
    end,
}
core.headers_by_any_name = BY_ANY_NAME

ngx.resp = {}

function ngx.resp.get_headers(max, is_raw)
    local handler = request_of(1, "no request object found")
    max = max or MAX_HEADERS
    local found = {}
    if not is_raw then setmetatable(found, BY_ANY_NAME) end
    local count = 0
    local function add(key, value)
        count = count + 1
        if max <= 0 or count <= max then core.add_value(found, key, value) end
    end
    local content_type = content_type_of(handler)
    if content_type then add("content-type", content_type) end
    add("connection", core.response_connection(handler))
    local headers = handler.headers or {}
    local transfer_encoding = core.response_transfer_encoding(handler)
    if transfer_encoding then add("transfer-encoding", transfer_encoding) end
    for i = 1, #headers do add(headers[i][is_raw and 1 or 2], headers[i][3]) end
    if max > 0 and count > max then return found, "truncated" end
    return found
end

core.modules["ngx.resp"] = {
    version = core.ngx_lua_resty_version,
    add_header = function(key, value) core.add_response_header(1, key, value) end,
}

-- ---- the way out ----------------------------------------------------------------------------------------------------

-- How a body ends, and whether the connection does, is for the server to say.
local OF_THE_SERVER = { ["transfer-encoding"] = true, connection = true }
local NO_LENGTH = { ["content-length"] = true }
local NONE = {}

-- Return the head as Python takes it: name and value in turn, each ended by LF; nil for the default alone.
function core.packed_headers(handler)
    local headers, content_type = handler.headers, handler.content_type
    local status = handler.status
    if status == 204 or status == 304 then content_type = false end
    local hidden = status == 204 and NO_LENGTH or NONE -- RFC 9110 section 8.6
    if content_type == nil then
        if not headers or #headers == 0 then return nil end
        content_type = DEFAULT_TYPE
    end
    local pieces, n = {}, 0
    if content_type then
        pieces[1] = "Content-Type\n" .. content_type .. "\n"
        n = 1
    end
    for i = 1, headers and #headers or 0 do
        local header = headers[i]
        if not OF_THE_SERVER[header[2]] and not hidden[header[2]] or header[2] == "connection" and lower(header[3]) == "close" then
            n = n + 1
            pieces[n] = header[1] .. "\n" .. header[3] .. "\n"
        end
    end
    return concat(pieces)
end
