-- Modules of OpenResty whose calls belong to phases that lasa does not have, those of a balancer and of a TLS handshake:
-- ngx.balancer, ngx.ssl.session, ngx.ssl.clienthello. Libraries require them for phases that never come, so they are
-- here, and each call answers what it answers in nginx outside of its phase. And ngx.pipe, which says what to use.
-- Source: lua-resty-core, lua-nginx-module.

local core = ...

local current = core.current
local error, format, select, type, unpack = error, string.format, select, type, unpack
local VERSION = core.ngx_lua_resty_version

-- Complain where there is no connection at all: before the first request. Level 1 is the caller of this.
local function needs_connection(level)
    if current().handler.phase == "init" then error("no request found", level + 2) end
end

-- Check the arguments of a call by their types in `wanted`, and complain of the first that is wrong.
local function check(name, wanted, ...)
    needs_connection(2)
    for i = 1, #wanted do
        local value = select(i, ...)
        if type(value) ~= wanted[i] then
            error(format("bad argument #%d to '%s' (%s expected, got %s)", i, name, wanted[i], type(value)), 3)
        end
    end
end

-- Return a call that takes such arguments and answers with these values.
local function answers(name, wanted, ...)
    local n, values = select("#", ...), { ... }
    return function(...)
        check(name, wanted, ...)
        return unpack(values, 1, n)
    end
end
core.answers_outside = answers

-- ---- ngx.balancer ---------------------------------------------------------------------------------------------------

local NO_UPSTREAM = "no upstream found"

local balancer = {
    version = VERSION,
    set_current_peer = answers("set_current_peer", { "string" }, nil, NO_UPSTREAM),
    set_more_tries = answers("set_more_tries", { "number" }, nil, NO_UPSTREAM),
    get_last_failure = answers("get_last_failure", {}, nil, nil, NO_UPSTREAM),
    recreate_request = answers("recreate_request", {}, nil, NO_UPSTREAM),
}

function balancer.set_timeouts(connect_s, send_s, read_s)
    needs_connection(1)
    local function check_time(name, time_s)
        if time_s and (type(time_s) ~= "number" or time_s <= 0) then error("bad " .. name .. " timeout", 3) end
    end
    check_time("connect", connect_s)
    check_time("send", send_s)
    check_time("read", read_s)
    return false, NO_UPSTREAM
end

core.modules["ngx.balancer"] = balancer

-- ---- ngx.ssl.session and ngx.ssl.clienthello ------------------------------------------------------------------------

local NO_TLS = "bad request"

core.modules["ngx.ssl.session"] = {
    version = VERSION,
    get_serialized_session = answers("get_serialized_session", {}, nil, NO_TLS),
    get_session_id = answers("get_session_id", {}, nil, NO_TLS),
    set_serialized_session = answers("set_serialized_session", { "string" }, nil, NO_TLS),
}

local function of_client_hello()
    needs_connection(1)
    error("API disabled in the current context", 2)
end

core.modules["ngx.ssl.clienthello"] = {
    version = VERSION,
    get_client_hello_server_name = of_client_hello,
    get_client_hello_ext = of_client_hello,
    get_supported_versions = of_client_hello,
    set_protocols = of_client_hello,
}

-- ---- ngx.pipe -------------------------------------------------------------------------------------------------------

core.modules["ngx.pipe"] = {
    version = VERSION,
    spawn = core.absent("ngx.pipe.spawn",
        "run programs by io.popen in ngx.run_worker_thread, or in a Python function that modules= hands in"),
}
