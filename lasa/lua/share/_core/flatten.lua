-- What ngx.say, ngx.print and sock:send make of their arguments: bytes. Metatables have no say in it.

local core = ...

local concat, floor, format = table.concat, math.floor, string.format
local next, rawget, tostring, type = next, rawget, tostring, type
local null = core.ngx.null

local function number_text(value)
    if value == floor(value) and value >= -2147483648 and value <= 2147483647 then return format("%d", value) end
    return format("%.14g", value)
end
core.number_text = number_text

-- The length of an array, nil for a table that is none: its largest key, if all are positive whole numbers.
local function array_length(t)
    local largest = 0
    for key in next, t do
        if type(key) ~= "number" or key ~= floor(key) or key <= 0 then return nil end
        if key > largest then largest = key end
    end
    return largest
end

-- Return the count of pieces; nil and the complaint for what cannot be sent.
local function add_table(pieces, n, t, is_strict)
    local length = array_length(t)
    if not length then return nil, "non-array table found" end
    for i = 1, length do
        local item = rawget(t, i)
        local kind = type(item)
        if kind == "string" then
            n = n + 1
            pieces[n] = item
        elseif kind == "number" then
            n = n + 1
            pieces[n] = number_text(item)
        elseif kind == "table" then
            local err
            n, err = add_table(pieces, n, item, is_strict)
            if not n then return nil, err end
        elseif is_strict or not (kind == "boolean" or kind == "nil" or item == null) then
            return nil, "bad data type " .. kind .. " found"
        else
            n = n + 1
            pieces[n] = item == null and kind == "userdata" and "null" or tostring(item)
        end
    end
    return n
end

-- Return the bytes of an array table; nil and the complaint. What a socket sends is strict: strings and numbers only.
function core.flatten(t, is_strict)
    local pieces = {}
    local n, err = add_table(pieces, 0, t, is_strict)
    if not n then return nil, err end
    return concat(pieces, "", 1, n)
end

-- Return the text of one argument of ngx.say and ngx.print; nil and the complaint.
function core.text_of(value)
    local kind = type(value)
    if kind == "string" then return value end
    if kind == "number" then return number_text(value) end
    if kind == "boolean" or kind == "nil" then return tostring(value) end
    if value == null then return "null" end
    if kind == "table" then return core.flatten(value) end
    return nil, "string, number, boolean, nil, ngx.null, or array table expected, but got " .. kind
end

-- The same for what a socket sends.
function core.payload_of(value)
    local kind = type(value)
    if kind == "string" then return value end
    if kind == "number" then return number_text(value) end
    if kind == "table" then return core.flatten(value, true) end
    if kind == "boolean" or kind == "nil" then return tostring(value) end
    return nil, "string, number, boolean, nil, or array table expected, got " .. kind
end
