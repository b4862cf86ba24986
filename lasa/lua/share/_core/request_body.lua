-- A request's body: ngx.req.read_body and what follows it. A handler's `body_read` says that it was read, `body` is
-- its data (nil if it is empty), `body_file` the name of the file that a large one is in; `body_is_being_read`, that a
-- light thread waits for it.
-- Source: OpenResty's manual; errors of arguments, lua-nginx-module.

local core = ...

local native = core.native.requests
local wait, request_of, replace_header = core.wait, core.request_of, core.replace_request_header
local concat, open = table.concat, io.open
local error, select, tonumber, tostring, type = error, select, tonumber, tostring, type
local req = core.ngx.req

local NO_OBJECT = "request object not found"
core.BODY_IS_BEING_READ = "pending request body reading in some other thread"

local function no_arguments(n)
    if n > 0 then error("expecting 0 arguments but seen " .. n, 3) end
end

local function string_of(value, name)
    if type(value) == "number" then return core.number_text(value) end
    if type(value) ~= "string" then
        error("bad argument #1 to '" .. name .. "' (string expected, got " .. type(value) .. ")", 3)
    end
    return value
end

-- ---- reading --------------------------------------------------------------------------------------------------------

function req.read_body(...)
    no_arguments(select("#", ...))
    local handler = core.request_in(1, NO_OBJECT)
    if handler.body_read or handler.body_discarded then return end
    if handler.body_is_being_read then error(core.BODY_IS_BEING_READ, 2) end
    handler.body_is_being_read = true
    local data, file = wait(native.read_body, handler.number)
    handler.body_is_being_read = nil
    handler.body_read = true
    if data ~= "" then handler.body = data end
    handler.body_file = file
end

function req.discard_body(...)
    no_arguments(select("#", ...))
    local handler = request_of(1, NO_OBJECT)
    if handler.body_read or handler.body_is_being_read then return end
    if native.has_body(handler.number) then handler.body_discarded = true end
end

function req.get_body_data(...)
    local n = select("#", ...)
    if n > 1 then error("expecting 0 or 1 arguments but seen " .. n, 2) end
    local body = request_of(1, NO_OBJECT).body
    local max = n == 1 and tonumber((...))
    if body and max and max > 0 then return body:sub(1, max) end
    return body
end

function req.get_body_file(...)
    no_arguments(select("#", ...))
    return request_of(1, NO_OBJECT).body_file
end

-- ---- replacing ------------------------------------------------------------------------------------------------------

-- Return the request if its body may be replaced.
local function ready(without)
    local handler = request_of(2, without)
    if handler.body_discarded then error("request body already discarded asynchronously", 3) end
    if not handler.body_read then error("request body not read yet", 3) end
    return handler
end

local function put(handler, body, file)
    handler.body, handler.body_file = body ~= "" and body or nil, file
    return handler
end

function req.set_body_data(...)
    if select("#", ...) ~= 1 then error("expecting 1 arguments but seen " .. select("#", ...), 2) end
    local data = string_of((...), "set_body_data")
    local handler = ready(NO_OBJECT)
    put(handler, data)
    replace_header(handler, "Content-Length", #data)
end

function req.set_body_file(...)
    local n = select("#", ...)
    if n ~= 1 and n ~= 2 then error("expecting 1 or 2 arguments but seen " .. n, 2) end
    local name, removes = ...
    name = string_of(name, "set_body_file")
    local handler = ready()
    local file = open(name, "rb")
    if not file then error('open() "' .. name .. '" failed', 2) end
    local size = file:seek("end")
    file:close()
    put(handler, nil, name)
    if removes then native.remove_later(handler.number, name) end
    replace_header(handler, "Content-Length", size)
end

function req.init_body(...)
    local n = select("#", ...)
    if n > 1 then error("expecting 0 or 1 argument but seen " .. n, 2) end
    local size
    if n == 1 then
        size = tonumber((...))
        if not size then error("bad argument #1 to 'init_body' (number expected, got " .. type((...)) .. ")", 2) end
        size = core.integer(size)
        if size < 0 then error("bad size argument: " .. size, 2) end
    end
    local handler = ready()
    handler.body_parts, handler.body_in_memory = {}, size
end

local function parts_of()
    local handler = request_of(2)
    return handler.body_parts or error("request_body not initialized", 3), handler
end

function req.append_body(...)
    if select("#", ...) ~= 1 then error("expecting 1 arguments but seen " .. select("#", ...), 2) end
    local data = string_of((...), "append_body")
    local parts = parts_of()
    parts[#parts + 1] = data
end

function req.finish_body(...)
    if select("#", ...) > 0 then error("expecting 0 argument but seen " .. select("#", ...), 2) end
    local parts, handler = parts_of()
    local data = concat(parts)
    local name = data ~= "" and native.put_in_file(handler.number, data, handler.body_in_memory)
    handler.body_parts, handler.body_in_memory = nil, nil
    if name then put(handler, nil, name) else put(handler, data) end
    replace_header(handler, "Content-Length", #data)
end
