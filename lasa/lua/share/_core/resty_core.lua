-- resty.core and its parts: libraries require them for what they do in OpenResty, which is to put ngx.* there by ffi.
-- The runtime has ngx.* already, so they are here to be found; resty.core.base has besides the helpers that libraries
-- take from it. Source: lua-resty-core. What reads and writes nginx's own memory is absent.

local core = ...

local require = require
local ceil, error, find, ipairs, newproxy, select = math.ceil, error, string.find, ipairs, newproxy, select
local floor, gsub, setmetatable = math.floor, string.gsub, setmetatable

local VERSION = core.ngx_lua_resty_version
local PARTS = {
    "base64", "coroutine", "ctx", "exit", "hash", "misc", "ndk", "param", "phase", "regex", "request", "response",
    "shdict", "socket", "time", "uri", "utils", "var", "worker",
}
local FREE_LIST = 0 -- where a table of references keeps its first free one

local base = {
    version = VERSION,
    new_tab = require "table.new",
    clear_tab = require "table.clear",
    -- What nginx's functions for ffi return.
    FFI_OK = 0,
    FFI_ERROR = -1,
    FFI_AGAIN = -2,
    FFI_BUSY = -3,
    FFI_DONE = -4,
    FFI_DECLINED = -5,
    FFI_ABORT = -6,
    FFI_NO_REQ_CTX = -100,
    FFI_BAD_CONTEXT = -101,
}

-- ---- memory for ffi ------------------------------------------------------------------------------------------------

local buffer_size = 4096
local buffer, size_pointer, message_pointer

-- ffi is asked for when it is needed: not every runtime lets scripts have it.
local function new_memory(kind, size)
    local ffi = require "ffi"
    return size and ffi.new(kind, size) or ffi.new(kind)
end

function base.set_string_buf_size(size)
    if size <= 0 then return end
    buffer, buffer_size = nil, ceil(size)
end

function base.get_string_buf_size() return buffer_size end

-- Return a char[] of at least `size` bytes: the common one, unless it is too small or `is_own` asks for another.
function base.get_string_buf(size, is_own)
    if size > buffer_size or is_own then return new_memory("char[?]", size) end
    buffer = buffer or new_memory("char[?]", buffer_size)
    return buffer
end

function base.get_size_ptr()
    size_pointer = size_pointer or new_memory("size_t[1]")
    return size_pointer
end

function base.get_errmsg_ptr()
    message_pointer = message_pointer or new_memory("char *[1]")
    return message_pointer
end

-- ---- the rest of resty.core.base -----------------------------------------------------------------------------------

-- Keep `value` in the table and return the number it is under: a free one, or the next.
function base.ref_in_table(references, value)
    if value == nil then return -1 end
    local number = references[FREE_LIST]
    if number and number ~= 0 then
        references[FREE_LIST] = references[number]
    else
        number = #references + 1
    end
    references[number] = value
    return number
end

function base.allows_subsystem(...)
    local subsystem = core.ngx.config and core.ngx.config.subsystem or "http"
    for i = 1, select("#", ...) do
        if select(i, ...) == subsystem then return end
    end
    error("unsupported subsystem: " .. subsystem, 2)
end

local mark_of = setmetatable({}, { __mode = "k" }) -- request, timer or main program -> what stands for it

-- Return something that is the same during one request, timer or main program; nil outside of all.
function base.get_request()
    local thread = core.current()
    local handler = thread and thread.handler
    if not handler or handler.phase == "init" then return nil end
    local mark = mark_of[handler]
    if not mark then
        mark = newproxy()
        mark_of[handler] = mark
    end
    return mark
end

-- ---- the modules ---------------------------------------------------------------------------------------------------

local parts = {}
for _, name in ipairs(PARTS) do
    parts[name] = { version = VERSION }
    core.modules["resty.core." .. name] = parts[name]
end
parts.misc._VERSION = VERSION
parts.worker._VERSION = VERSION

function parts.ctx.get_ctx_table() return core.ngx.ctx end

-- Fields of ngx that are computed when they are asked for.
function parts.misc.register_ngx_magic_key_getter(key, get) core.getters[key] = get end

function parts.misc.register_ngx_magic_key_setter(key, set) core.setters[key] = set end

function parts.regex.is_regex_cache_empty() return not core.pcre.was_cached() end

function parts.regex.set_buf_grow_ratio() end -- the buffers grow by themselves

function parts.request.set_req_header(name, value, overrides)
    if overrides then return core.ngx.req.set_header(name, value) end
    core.add_request_header(2, name, value)
end

function parts.response.set_resp_header(_, name, value, adds) core.add_response_header(1, name, value, not adds) end

-- Whole milliseconds of a clock that never goes back; and the same in seconds.
function parts.time.monotonic_msec() return floor(core.lasa.monotonictime() / 1e3) end

function parts.time.monotonic_time() return parts.time.monotonic_msec() / 1e3 end

-- Replace one character, as it is, by another.
function parts.utils.str_replace_char(text, character, replacement)
    if not find(text, character, 1, true) then return text end
    return (gsub(text, (gsub(character, "%W", "%%%0")), (gsub(replacement, "%%", "%%%%"))))
end

core.modules["resty.core.base"] = base
core.modules["resty.core"] = { version = VERSION }
