-- Digests, checksums and SQL quotes: ngx.md5 and its like, lasa.md5 and its like, over lasa.codec.
-- Source: OpenResty's manual; the checks of arguments are those of lua-resty-core and lua-nginx-module.

local core = ...

local native = core.native.codec
local text_of, string_of = core.arguments.text, core.arguments.string
local ngx, lasa = core.ngx, core.lasa
local error, gsub, select, type = error, string.gsub, select, type

-- Returns a function of one string that takes anything, as lua-resty-core's do.
local function of_text(digest)
    return function(s)
        if type(s) ~= "string" then s = text_of(s) end
        return digest(s)
    end
end

ngx.md5 = of_text(native.md5)
ngx.md5_bin = of_text(native.md5_bin)
ngx.sha1_bin = of_text(native.sha1_bin)
ngx.crc32_short = of_text(native.crc32)
ngx.crc32_long = ngx.crc32_short

function ngx.hmac_sha1(...)
    local n = select("#", ...)
    if n ~= 2 then error("expecting 2 arguments, but got " .. n, 2) end
    local key, s = ...
    if type(key) ~= "string" then key = string_of(1, key) end
    if type(s) ~= "string" then s = string_of(2, s) end
    return native.hmac_sha1(key, s)
end

lasa.md5 = ngx.md5
lasa.md5_bin = ngx.md5_bin
lasa.sha1 = of_text(native.sha1)
lasa.sha1_bin = ngx.sha1_bin
lasa.hmac_sha1 = ngx.hmac_sha1

function lasa.uuid() return native.uuid() end

local SQL_ESCAPES = {
    ["\0"] = "\\0", ["\b"] = "\\b", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\26"] = "\\Z",
    ["\\"] = "\\\\", ["'"] = "\\'", ['"'] = '\\"',
}

function ngx.quote_sql_str(...)
    if select("#", ...) ~= 1 then error("expecting one argument", 2) end
    local s = ...
    if type(s) ~= "string" then s = string_of(1, s) end
    return "'" .. gsub(s, "[%z\b\n\r\t\26\\'\"]", SQL_ESCAPES) .. "'"
end
