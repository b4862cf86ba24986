-- What several chunks need to tell values apart and to name them in errors.

local core = ...

local assert, dump, loadstring, type = assert, string.dump, loadstring, type

core.ngx = { null = assert(loadstring(core.native.loader.core_source("null")))() }
core.lasa = {}
core.modules = {}
core.ngx_lua_resty_version = "0.1.25"

-- Lua's word for a missing argument is "no value".
function core.type_name(value, n)
    if value == nil and n == 0 then return "no value" end
    return type(value)
end

-- Run a chunk without its debug information: no error can name a place in it.
function core.without_lines(source, ...) return loadstring(dump(assert(loadstring(source)), true))(...) end
