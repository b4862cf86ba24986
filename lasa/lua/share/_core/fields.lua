-- The fields of ngx that are computed when they are asked for: ctx, status, headers_sent, is_subrequest. Other chunks
-- add theirs to core.getters and core.setters. And what a call is told that needs a request where there is none.
-- Source: OpenResty's manual; lua-resty-core, "resty.core.misc" and "resty.core.ctx".

local core = ...

local current = core.current
local error, rawset, setmetatable, type = error, rawset, setmetatable, type
local ngx = core.ngx

local getters, setters = {}, {}
core.getters, core.setters = getters, setters

setmetatable(ngx, {
    __index = function(_, key)
        local get = getters[key]
        if get then
            local value = get()
            return value
        end
    end,
    __newindex = function(t, key, value)
        local set = setters[key]
        if set then
            set(value)
        else
            rawset(t, key, value)
        end
    end,
})

-- Return what the running light thread runs for if that is a request; otherwise complain, at the line that is so many
-- levels above whoever calls this. `without` is what a call says in init_by_lua, where OpenResty has not even something
-- like a request; its calls differ in that.
function core.request_of(level, without)
    local handler = current().handler
    if handler.is_request then return handler end
    if handler.phase == "init" then error(without or "no request found", level + 2) end
    error("API disabled in the current context", level + 2)
end

-- The same for a call that says which context it is.
function core.request_in(level, without)
    local handler = current().handler
    if handler.is_request then return handler end
    error(core.disabled(handler, without), level + 2)
end

-- ---- ngx.ctx: a table for each request, timer and program -----------------------------------------------------------

local function with_ctx()
    local handler = current().handler
    if handler.phase == "init" then error("no request found", 4) end
    return handler
end

function getters.ctx()
    local handler = with_ctx()
    local ctx = handler.ctx
    if not ctx then
        ctx = {}
        handler.ctx = ctx
    end
    return ctx
end

function setters.ctx(ctx)
    if type(ctx) ~= "table" then error("ctx should be a table while getting a " .. type(ctx), 3) end
    with_ctx().ctx = ctx
end

-- ---- requests inside requests: there are none -----------------------------------------------------------------------

function getters.is_subrequest()
    core.request_of(2)
    return false
end
