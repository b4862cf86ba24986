-- The module ngx.errlog: one message to the log, and how much is logged. Messages are not kept to be read again; what
-- asks for them is answered as by an nginx that was built without that.
-- Source: lua-resty-core's manual, "ngx.errlog".

local core = ...

local native = core.native.output
local error, type = error, type
local ngx = core.ngx

local errlog = { version = core.ngx_lua_resty_version }
core.modules["ngx.errlog"] = errlog

local NOT_KEPT = "missing the capture error log patch for nginx"

function errlog.raw_log(level, message)
    if type(level) ~= "number" then error("bad argument #1 to 'raw_log' (must be a number)", 2) end
    if type(message) ~= "string" then error("bad argument #2 to 'raw_log' (must be a string)", 2) end
    if not (level >= ngx.STDERR and level <= ngx.DEBUG) then error("bad log level", 2) end
    native.log(level, message)
end

-- Returns the highest level that is still logged.
function errlog.get_sys_filter_level()
    for level = ngx.DEBUG, ngx.EMERG, -1 do
        if native.is_logged(level) then return level end
    end
    return ngx.STDERR
end

function errlog.set_filter_level(level)
    if not level then return nil, 'missing "level" argument' end
    return nil, NOT_KEPT
end

function errlog.get_logs() return nil, NOT_KEPT end
