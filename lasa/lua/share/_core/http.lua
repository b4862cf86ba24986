-- lasa.http: the HTTP client of the seed, over lasa's own, whose options are the keys of new{} and request{}.

local core = ...

local native = core.native.http
local wait, wait_then, current = core.wait, core.wait_then, core.current
local error, format, ipairs, pairs, rawget, rawset, setmetatable, type =
    error, string.format, ipairs, pairs, rawget, rawset, setmetatable, type
local gmatch = string.gmatch

-- ---- headers --------------------------------------------------------------------------------------------------------

local name_of = setmetatable({}, { __mode = "k" }) -- headers -> name in lower case -> name as it was received

-- The table itself has the names as they were received; other spellings are found through this.
local HEADERS = {
    __index = function(headers, name)
        if type(name) ~= "string" then return nil end
        local found = name_of[headers][name:lower()]
        return found and rawget(headers, found)
    end,
    __newindex = function(headers, name, value)
        local names = name_of[headers]
        if type(name) == "string" and names[name:lower()] then
            name = names[name:lower()]
        elseif type(name) == "string" then
            names[name:lower()] = name
        end
        rawset(headers, name, value)
    end,
}

-- A header that is repeated is an array of its values.
local function headers_of(flat)
    local headers, names = {}, {}
    for name, value in gmatch(flat, "([^\n]*)\n([^\n]*)\n") do
        local lower = name:lower()
        local known = names[lower]
        local before = known and headers[known]
        if not known then
            names[lower] = name
            headers[name] = value
        elseif type(before) == "table" then
            before[#before + 1] = value
        else
            headers[known] = { before, value }
        end
    end
    name_of[headers] = names
    return setmetatable(headers, HEADERS)
end

-- ---- answers --------------------------------------------------------------------------------------------------------

local handle_of = setmetatable({}, { __mode = "k" }) -- answer -> Python's

local methods = {}
local ANSWER = { __index = methods }

local function checked(self, name)
    local handle = handle_of[self]
    if not handle then error("calling '" .. name .. "' on bad self (a response expected)", 3) end
    return handle
end

-- Read what is left of the body, and keep it; nil, the error and what did come if it breaks off.
function methods:read()
    local body, err, partial = wait(native.read, (checked(self, "read")))
    if not body then return nil, err, partial end
    self.body = body
    return body
end

-- Give up what has not been read of the body.
function methods:close() native.give_up((checked(self, "close"))) end

-- The fields behind a chunked body that has been read to its end.
function methods:trailers() return headers_of(native.trailers((checked(self, "trailers")))) end

local function piece_of(is_piece, body, err)
    if not is_piece then return nil end
    return { body = body, err = err }
end

local function answer_of(ok, handle, reader, code, status, body, url, http_version, method, flat)
    if not ok then return nil, handle end -- the error
    local answer = setmetatable({
        code = code,
        status = status,
        headers = headers_of(flat),
        body = body,
        url = url,
        http_version = http_version,
        method = method,
    }, ANSWER)
    handle_of[answer] = handle
    if not reader then return true, answer end
    return true, answer, function() return wait_then(piece_of, native.next_piece, reader) end
end

-- ---- clients --------------------------------------------------------------------------------------------------------

local client = {}
local hc = {}
local CLIENT = { __index = hc }

local function client_of(self, name)
    local handle = type(self) == "table" and rawget(self, 1)
    if not handle then error("calling '" .. name .. "' on bad self (an HTTP client expected)", 3) end
    return handle
end

local function client_around(handle) return setmetatable({ handle }, CLIENT) end

-- Both client.new(options) and client:new(options).
function client.new(first, second)
    local options = first
    if first == client then options = second end
    if options ~= nil and type(options) ~= "table" then
        error("bad argument #1 to 'new' (table expected, got " .. type(options) .. ")", 2)
    end
    return wait_then(client_around, native.new, options, current().handler.number)
end

function hc:request(req)
    local handle = client_of(self, "request")
    if type(req) ~= "table" and type(req) ~= "string" then
        error("bad argument #1 to 'request' (table expected, got " .. core.type_name(req, req == nil and 0) .. ")", 2)
    end
    return wait_then(answer_of, native.request, handle, req, current().handler.number)
end

function hc:close() return native.close(client_of(self, "close")) end

for _, method in ipairs { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" } do
    local name = method:lower()
    hc[name] = function(self, url, options)
        local handle = client_of(self, name)
        if type(url) ~= "string" then
            local got = core.type_name(url, url == nil and 0)
            error(format("bad argument #1 to '%s' (string expected, got %s)", name, got), 2)
        end
        local req = { url = url, method = method }
        if options ~= nil then
            if type(options) ~= "table" then
                error(format("bad argument #2 to '%s' (table expected, got %s)", name, type(options)), 2)
            end
            for key, value in pairs(options) do
                if req[key] == nil then req[key] = value end
            end
        end
        return wait_then(answer_of, native.request, handle, req, current().handler.number)
    end
end

core.lasa.http = { client = client }
