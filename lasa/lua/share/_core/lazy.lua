-- Chunks that are loaded when a script first asks for what they make, with the natives that they need.
--
-- What few scripts use is not worth the time that each of them would wait for it. Such a name is not in its table until
-- it is asked for, so pairs() does not see it before.

local core = ...

local native = core.native.loader
local assert, getmetatable, ipairs, loadstring, rawget, setmetatable =
    assert, getmetatable, ipairs, loadstring, rawget, setmetatable

local is_loaded = {}

-- Load a chunk, unless that was done before.
function core.load_chunk(name)
    if is_loaded[name] then return end
    is_loaded[name] = true
    assert(loadstring(native.core_source(name), "@lasa/_core/" .. name .. ".lua"))(core)
end

local function add_door(t, chunk_of)
    local meta = getmetatable(t)
    if not meta then
        meta = {}
        setmetatable(t, meta)
    end
    local before = meta.__index -- a function, if it is there
    function meta.__index(_, name)
        local chunk = chunk_of[name]
        if chunk then
            chunk_of[name] = nil
            core.load_chunk(chunk)
            local value = rawget(t, name)
            if value ~= nil then return value end
        end
        if before then return before(t, name) end
    end
end

local doors = setmetatable({}, { __mode = "k" }) -- table -> names that are not there yet -> their chunks

-- Have the chunk loaded when one of the names in the table is asked for; it has to set all of them.
function core.later(t, chunk, names)
    local chunk_of = doors[t]
    if not chunk_of then
        chunk_of = {}
        doors[t] = chunk_of
        add_door(t, chunk_of)
    end
    for _, name in ipairs(names) do chunk_of[name] = chunk end
end

local lasa, ngx = core.lasa, core.ngx

core.later(lasa, "http", { "http" })
core.later(lasa, "websocket", { "websocket" })
core.later(lasa, "log", { "log", "LOG_UNKNOWN", "LOG_DEFAULT", "LOG_VERBOSE", "LOG_DEBUG", "LOG_INFO", "LOG_WARN",
    "LOG_ERROR", "LOG_FATAL", "LOG_SILENT" })
core.later(lasa, "channel", { "channel" })
core.later(lasa, "detach", { "detach" })
core.later(ngx, "worker_thread", { "run_worker_thread" })
core.later(core.modules, "digests", { "resty.md5", "resty.sha", "resty.sha1", "resty.sha224", "resty.sha256",
    "resty.sha384", "resty.sha512" })
core.later(core.modules, "of_phases", { "ngx.balancer", "ngx.pipe", "ngx.ssl.clienthello", "ngx.ssl.session" })
core.later(core.modules, "ssl", { "ngx.ssl" })
core.later(core.modules, "ocsp", { "ngx.ocsp" })
core.later(core.modules, "exdata", { "thread.exdata", "thread.exdata2" })
core.later(core.modules, "random", { "resty.random" })
core.later(core.modules, "aes", { "resty.aes" })
