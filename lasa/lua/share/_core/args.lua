-- Query strings: ngx.encode_args and ngx.decode_args, and core.parse_args for those that come with a request.
-- Source: OpenResty's manual; the rules and the checks of arguments are those of lua-nginx-module.

local core = ...

local concat, find, next, select, sub = table.concat, string.find, next, select, string.sub
local error, tostring, type = error, tostring, type
local arguments = core.arguments
local integer_of, string_of, check_table = arguments.integer, arguments.string, arguments.table
local ngx = core.ngx
local escape, unescape = ngx.escape_uri, ngx.unescape_uri

local MAX_ARGS = 100 -- by default, against those who send very many

-- Adds "key=value", or "key" for true. Returns whether the value is one that a query string can hold.
local function add_pair(pieces, key, value)
    local kind = type(value)
    if kind == "string" or kind == "number" then
        pieces[#pieces + 1] = key .. "=" .. escape(tostring(value))
    elseif value == true then
        pieces[#pieces + 1] = key
    elseif value ~= false then
        return false
    end
    return true
end

local function refuse(value) error("attempt to use " .. type(value) .. " as query arg value", 3) end

function ngx.encode_args(...)
    local n = select("#", ...)
    if n ~= 1 then error("expecting 1 argument but seen " .. n, 2) end
    local args = ...
    check_table(1, args)
    local pieces = {}
    for key, value in next, args do
        if type(key) ~= "string" then error('attempt to use a non-string key in the "args" option table', 2) end
        key = escape(key)
        if type(value) == "table" then
            for _, item in next, value do
                if not add_pair(pieces, key, item) then refuse(item) end
            end
        elseif not add_pair(pieces, key, value) then
            refuse(value)
        end
    end
    return concat(pieces, "&")
end

-- Add a value under a key: one that comes again has an array of its values.
local function add_value(args, key, value)
    local found = args[key]
    if found == nil then
        args[key] = value
    elseif type(found) == "table" then
        found[#found + 1] = value
    else
        args[key] = { found, value }
    end
end

core.add_value = add_value

-- Returns a table, and "truncated" when there are more than max arguments; a max below 1 is no limit.
function core.parse_args(text, max)
    local args, count, from = {}, 0, 1
    while true do
        local stop = find(text, "&", from, true)
        local pair = sub(text, from, (stop or 0) - 1)
        local equals = find(pair, "=", 1, true)
        local key = unescape(sub(pair, 1, (equals or 0) - 1))
        if key ~= "" then add_value(args, key, not equals or unescape(sub(pair, equals + 1))) end
        if not stop then return args end
        count = count + 1
        if count == max then return args, "truncated" end -- also when nothing comes after it
        from = stop + 1
    end
end

function ngx.decode_args(...)
    local n = select("#", ...)
    if n ~= 1 and n ~= 2 then error("expecting 1 or 2 arguments but seen " .. n, 2) end
    local text, max = ...
    if type(text) ~= "string" then text = string_of(1, text) end
    return core.parse_args(text, n == 2 and integer_of(2, max) or MAX_ARGS)
end
