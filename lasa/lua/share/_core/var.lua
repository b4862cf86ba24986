-- ngx.var: nginx's variables of a request, as far as a server that has no locations knows them; what a script assigns
-- to other names is kept for the request. In a program, arg_NAME is an argument NAME=value of the command line, and any
-- other name is one of the environment.
-- Source: nginx's manual, "ngx_http_core_module, Embedded Variables"; errors, lua-nginx-module.

local core = ...

local native = core.native.requests
local current, request_of = core.current, core.request_of
local date, error, find, format, getenv = os.date, error, string.find, string.format, os.getenv
local gmatch, gsub, lower, match, sub = string.gmatch, string.gsub, string.lower, string.match, string.sub
local concat = table.concat
local rawget, setmetatable, tostring, type = rawget, setmetatable, tostring, type
local ngx = core.ngx
local globals = _G

-- ---- by prefix ------------------------------------------------------------------------------------------------------

-- The first argument of a query with that name, as it stands there.
local function arg_of(text, name)
    for pair in gmatch(text or "", "[^&]+") do
        local equals = find(pair, "=", 1, true)
        if equals and lower(sub(pair, 1, equals - 1)) == name then return sub(pair, equals + 1) end
    end
end

local JOINED = { cookie = "; ", ["x_forwarded_for"] = ", " } -- of others, the first one counts

local function http_of(handler, name)
    local separator, found = JOINED[name], nil
    local headers = core.request_headers(handler)
    for i = 1, #headers do
        local header = headers[i]
        if gsub(header[2], "-", "_") == name then
            if not separator then return header[3] end
            found = found and found .. separator .. header[3] or header[3]
        end
    end
    return found
end

local function cookie_of(handler, name)
    local text = http_of(handler, "cookie")
    for pair in gmatch(text or "", "[^;]+") do
        local key, value = match(pair, "^ *([^=]*)=(.*)$")
        if key and lower(key) == name then return value end
    end
end

local SENT_JOINED = { ["cache-control"] = true, link = true } -- likewise

local function sent_of(handler, name)
    if name == "connection" then return core.response_connection(handler) end
    if name == "transfer_encoding" then return core.response_transfer_encoding(handler) end
    name = gsub(name, "_", "-")
    local value = core.response_header(handler, name)
    if type(value) == "table" then return SENT_JOINED[name] and concat(value, ", ") or value[1] end
    return value
end

local BY_PREFIX = {
    arg_ = function(handler, name) return arg_of(core.request_args(handler), name) end,
    http_ = http_of,
    cookie_ = cookie_of,
    sent_http_ = sent_of,
}

-- ---- by name --------------------------------------------------------------------------------------------------------

local vars = {}

vars.uri = core.request_uri
vars.document_uri = core.request_uri
vars.args = core.request_args
vars.query_string = core.request_args
vars.request_method = core.request_method

function vars.is_args(handler)
    local args = core.request_args(handler)
    return args and args ~= "" and "?" or ""
end

function vars.request(handler)
    local number = handler.number
    return format("%s %s %s", native.method(number), native.target(number), native.protocol(number))
end

-- Of a Host that the script has set: without a port, and without a dot at the end.
function vars.host(handler)
    if not handler.has_new_host then return native.host(handler.number) end
    local text = lower(http_of(handler, "host") or "")
    return match(text, "^%[[^%]]*%]") or (gsub(match(text, "^[^:]*"), "%.$", ""))
end

-- The name that the client gives itself; whether it is true is for others to check.
function vars.remote_user(handler)
    local scheme, code = match(http_of(handler, "authorization") or "", "^(%a+) +(.*)$")
    local text = scheme and lower(scheme) == "basic" and ngx.decode_base64(code)
    return text and match(text, "^([^:]+):") or nil
end

function vars.request_filename(handler) return native.document_root() .. core.request_uri(handler) end

function vars.server_protocol(handler) return native.protocol(handler.number) end

function vars.content_type(handler) return http_of(handler, "content_type") end
function vars.content_length(handler)
    local body = handler.body -- one that came in chunks has a length once it has been read
    return http_of(handler, "content_length") or (type(body) == "string" and body ~= "" and tostring(#body) or nil)
end
function vars.request_body(handler) return handler.body end
function vars.request_body_file(handler) return handler.body_file end
function vars.https(handler) return native.scheme(handler.number) == "https" and "on" or "" end
function vars.msec() return format("%.3f", ngx.now()) end
function vars.time_local() return date("%d/%b/%Y:%H:%M:%S %z") end
function vars.time_iso8601() return date("%Y-%m-%dT%H:%M:%S") .. gsub(date("%z"), "(%d%d)$", ":%1") end
function vars.status(handler) return format("%03d", handler.status or handler.headers_sent and 200 or 0) end
function vars.nginx_version() return "1.22.1" end -- ngx.config says the same
function vars.server_name() return "" end
function vars.pipe() return "." end
function vars.request_completion() return "" end
function vars.limit_rate() return "0" end

local function by_native(name)
    local call = native[name]
    vars[name] = function(handler) return call(handler.number) end
end
for _, name in ipairs {
    "request_uri", "scheme", "remote_addr", "remote_port", "binary_remote_addr", "server_addr", "server_port",
    "request_length", "request_time", "request_id", "connection", "connection_requests", "bytes_sent",
    "body_bytes_sent",
} do
    by_native(name)
end
for _, name in ipairs { "document_root", "realpath_root", "hostname", "pid" } do
    local call = native[name]
    vars[name] = function() return call() end
end

-- ---- reading and writing --------------------------------------------------------------------------------------------

-- Return the prefix and the rest of "http_host" and its like.
local function split(name)
    local prefix, rest = match(name, "^(sent_http_)(.+)$")
    if not prefix then prefix, rest = match(name, "^(%a+_)(.+)$") end
    return prefix, rest
end

local function of_request(handler, name)
    name = lower(name)
    local own = handler.vars
    if own and own[name] ~= nil then return own[name] or nil end
    local get = vars[name]
    if get then return get(handler) end
    local prefix, rest = split(name)
    local by_prefix = prefix and BY_PREFIX[prefix]
    return by_prefix and by_prefix(handler, rest)
end

local function of_program(handler, name)
    local own = handler.vars
    if own and own[name] ~= nil then return own[name] or nil end
    local rest = match(name, "^arg_(.+)$")
    if not rest then return getenv(name) end
    local arguments = rawget(globals, "arg")
    if type(arguments) == "table" then
        local wanted = rest .. "="
        for i = 1, #arguments do
            local argument = tostring(arguments[i])
            if sub(argument, 1, #wanted) == wanted then return sub(argument, #wanted + 1) end
        end
    end
end

local function is_program(handler) return not handler.is_request and handler.phase == "content" end

local function get(_, name)
    local handler = current().handler
    local of = is_program(handler) and of_program
    if not of then
        handler, of = request_of(1), of_request
    end
    if type(name) == "number" then return nil end -- a capture of a location's pattern
    if type(name) ~= "string" then error("bad variable name", 2) end
    return of(handler, name)
end

local function set(_, name, value)
    local handler = current().handler
    local is_request = not is_program(handler)
    if is_request then request_of(1) end
    if type(name) ~= "string" then error("bad variable name", 2) end
    if value ~= nil then value = tostring(value) end
    if is_request then
        name = lower(name)
        if name == "args" then
            handler.args = value or false
            return
        end
        if vars[name] and name ~= "limit_rate" then error('variable "' .. name .. '" not changeable', 2) end
        local prefix = split(name)
        if prefix and BY_PREFIX[prefix] then
            error('variable "' .. name .. '" not found for writing; it is what the ' ..
                (prefix == "sent_http_" and "response" or "request") .. " says", 2)
        end
    end
    local own = handler.vars
    if not own then
        own = {}
        handler.vars = own
    end
    own[name] = value or false
end

ngx.var = setmetatable({}, { __index = get, __newindex = set })
