-- URI escapes: ngx.escape_uri, ngx.unescape_uri and lasa's. The rules are lasa.codec's, written here once more: a call
-- of Python costs twenty times what LuaJIT needs for a short string.
-- Source: OpenResty's manual; the checks of arguments are those of lua-resty-core.

local core = ...

local bit, ffi = require "bit", require "ffi"
local band, rshift = bit.band, bit.rshift
local error, type = error, type
local byte, char, floor = string.byte, string.char, math.floor
local cast, copy, string_from, string_bytes = ffi.cast, ffi.copy, ffi.string, ffi.typeof("const uint8_t *")
local scratch, text_of = core.scratch, core.arguments.text
local ngx, lasa = core.ngx, core.lasa

local PERCENT, PLUS, SPACE = byte("%+ ", 1, 3)

-- Returns a table of 256 flags: 1 for the characters that match a pattern.
local function set_of(pattern)
    local flags = ffi.new("uint8_t[256]")
    for c = 0, 255 do flags[c] = char(c):find(pattern) and 1 or 0 end
    return flags
end

-- By type: what must not stand in a URI, in its arguments, or in a component of it; the rest is for what nginx writes
-- (HTML, the Refresh header, memcached and the mail proxy).
local UNSAFE = {
    [0] = set_of("[%z\1-\32#%%?\127-\255]"),
    set_of("[%z\1-\32#%%?+\127-\255]"),
    set_of("[^%w%-._~!'()*]"),
    set_of("[%z\1-\32#\"%%'\127-\255]"),
    set_of("[%z\1-\32\"'\127-\255]"),
    set_of("[%z\1-\32%%]"),
    set_of("[%z\1-\32%%]"),
}
local COMPONENT = 2
local ENCODED = set_of("[%%+]")

local HEX_DIGITS = ffi.new("uint8_t[16]", { byte("0123456789ABCDEF", 1, 16) })
local HEX_VALUES = ffi.new("int8_t[256]")
for c = 0, 255 do HEX_VALUES[c] = char(c):find("%x") and tonumber(char(c), 16) or -1 end

-- Returns how many bytes stand before the first one of a set.
local function clean_length(from, n, set)
    local at = 0
    while at < n and set[from[at]] == 0 do at = at + 1 end
    return at
end

local function escape(s, unsafe)
    local n = #s
    local from = cast(string_bytes, s)
    local at = clean_length(from, n, unsafe)
    if at == n then return s end
    local to, size = scratch(at + (n - at) * 3), at
    copy(to, from, at)
    while at < n do
        local c = from[at]
        at = at + 1
        if unsafe[c] == 0 then
            to[size] = c
            size = size + 1
        else
            to[size] = PERCENT
            to[size + 1] = HEX_DIGITS[rshift(c, 4)]
            to[size + 2] = HEX_DIGITS[band(c, 15)]
            size = size + 3
        end
    end
    return string_from(to, size)
end

function ngx.escape_uri(s, kind)
    if type(s) ~= "string" then s = text_of(s) end
    if kind == nil then return escape(s, UNSAFE[COMPONENT]) end
    -- Level 3, the caller's caller, is where lua-resty-core puts these two.
    if type(kind) ~= "number" then error('"type" is not a number', 3) end
    if not (kind >= 0 and kind <= 6) then error('"type" ' .. kind .. " out of range", 3) end
    return escape(s, UNSAFE[floor(kind)])
end

function ngx.unescape_uri(s)
    if type(s) ~= "string" then s = text_of(s) end
    local n = #s
    local from = cast(string_bytes, s)
    local at = clean_length(from, n, ENCODED)
    if at == n then return s end
    local to, size = scratch(n), at
    copy(to, from, at)
    while at < n do
        local c = from[at]
        at = at + 1
        if c == PLUS then
            c = SPACE
        elseif c == PERCENT and at + 1 < n then
            local high, low = HEX_VALUES[from[at]], HEX_VALUES[from[at + 1]]
            if high >= 0 and low >= 0 then
                c = high * 16 + low
                at = at + 2
            end
        end
        to[size] = c
        size = size + 1
    end
    return string_from(to, size)
end

lasa.escape_uri = ngx.escape_uri
lasa.unescape_uri = ngx.unescape_uri
