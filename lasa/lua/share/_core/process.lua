-- The process and what it was built from: ngx.config, ngx.worker and the module ngx.process.
-- A program under lasa is its own master and only worker, as nginx is with "master_process off", and so is `lasa serve`
-- without --workers.
-- Source: OpenResty's manual, and lua-resty-core's for ngx.process.

local core = ...

local native = core.native.process
local error = error
local ngx = core.ngx

ngx.config = {
    subsystem = "http",
    debug = false,
    -- The versions whose behaviour lasa follows: libraries look at them before they use what is newer.
    nginx_version = 1022001,
    ngx_lua_version = 10023,
    prefix = function() return native.prefix() end,
    nginx_configure = function() return "" end, -- there was none
}

local worker = {}
ngx.worker = worker

function worker.exiting() return native.is_exiting() end

function worker.pid() return native.pid() end

function worker.pids() return { native.worker_pids() } end

function worker.id() return native.worker_number() end

function worker.count() return native.worker_count() end

local process = { version = core.ngx_lua_resty_version }
core.modules["ngx.process"] = process

function process.type() return native.is_worker() and "worker" or "single" end

function process.get_master_pid() return native.master_pid() end

function process.enable_privileged_agent() return nil, "API disabled in the current context" end

function process.signal_graceful_exit()
    error("signal_graceful_exit is not supported: return from the main code, or call os.exit", 2)
end
