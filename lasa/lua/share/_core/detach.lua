-- lasa.detach: a program of its own in another OS thread, with its own light threads and timers.

local core = ...

local native = core.native.detached
local wait, cannot_copy, handles = core.wait, core.cannot_copy, core.handles
local error, format, ipairs, pairs, rawget, setmetatable, tonumber, tostring, type =
    error, string.format, ipairs, pairs, rawget, setmetatable, tonumber, tostring, type

local CONTENTS = { "content_by_lua", "content_by_file", "content" }
local IS_OPTION = { name = true, args = true, content_by_lua = true, content_by_file = true, content = true }

local methods = {}
local DETACHED = { __index = methods }

local function handle_of(self, name)
    local handle = type(self) == "table" and rawget(self, 1)
    if not handle then error("calling '" .. name .. "' on bad self (what lasa.detach() returned expected)", 3) end
    return handle
end

-- Wait for its end, for `timeout` seconds at most. Returns true and what it returned; false and the error that ended
-- it; nil and "timeout".
function methods:join(timeout)
    local handle = handle_of(self, "join")
    local timeout_s = timeout ~= nil and tonumber(timeout)
    if timeout ~= nil and not timeout_s then
        error("bad argument #1 to 'join' (number expected, got " .. type(timeout) .. ")", 2)
    end
    if timeout_s and not (timeout_s >= 0) then error("bad argument #1 to 'join' (no negative number)", 2) end
    return wait(native.join, handle, timeout_s or nil)
end

-- Whether it is not over yet.
function methods:is_alive() return native.is_alive((handle_of(self, "is_alive"))) end

-- The error that ended it; nil while it runs, and if it ended by itself.
function methods:error() return native.error((handle_of(self, "error"))) end

-- Ask it to end at once.
function methods:stop() native.stop((handle_of(self, "stop"))) end

local function detached(handle, name)
    if not handle then return nil, name end -- the error
    return setmetatable({ handle, name = name }, DETACHED)
end

local function bad_option(name, expected, value)
    error(format("bad argument #1 to 'detach' (%s: %s expected, got %s)", name, expected, type(value)), 3)
end

-- Begin. `conf` has one of content_by_lua (Lua code), content_by_file (FILE.lua or FILE.py) and content (Python code);
-- and may have a name for the OS thread, and args, an array of what channels carry: the code's `...`.
-- Returns the handle; nil and the error where there is no such file, or the code is none.
function core.lasa.detach(conf)
    if type(conf) ~= "table" then
        error("bad argument #1 to 'detach' (table expected, got " .. core.type_name(conf, conf == nil and 0) .. ")", 2)
    end
    for key in pairs(conf) do
        if not IS_OPTION[key] then
            error(format("bad argument #1 to 'detach' (unknown option \"%s\")", tostring(key)), 2)
        end
    end
    local kind
    for _, name in ipairs(CONTENTS) do
        if conf[name] ~= nil then
            if kind then error(format("bad argument #1 to 'detach' (%s and %s are too much)", kind, name), 2) end
            if type(conf[name]) ~= "string" then bad_option(name, "string", conf[name]) end
            kind = name
        end
    end
    if not kind then error("bad argument #1 to 'detach' (content_by_lua or content_by_file is missing)", 2) end
    if conf.name ~= nil and type(conf.name) ~= "string" then bad_option("name", "string", conf.name) end
    local args = conf.args
    if args ~= nil and type(args) ~= "table" then bad_option("args", "table", args) end
    local complaint = args and cannot_copy(args, handles)
    if complaint then error("bad argument #1 to 'detach' (args: " .. complaint .. ")", 2) end
    return core.wait_then(detached, native.detach, kind, conf[kind], conf.name, args, args and #args or 0)
end
