-- What a content handler answers: ngx.say and ngx.print gather here and leave at ngx.flush, at the end, or when much
-- has gathered. An answer that is whole by then goes with its length and in one piece; otherwise it goes in chunks. What
-- a client of HTTP/1.0 gets is kept to the end, and until then the head may change, as with lua_http10_buffering on; not
-- if the script has set the Content-Length.
--
-- A handler's answer: `pieces` (a string, or an array of them) and `size`, what has not left yet; `has_begun`, the head
-- has left; `closed`, why nothing more can be said; `left`, how much the Content-Length that the script has set leaves
-- room for. Its head is in response_headers.lua.
-- Source: OpenResty's manual; how a handler's end is answered, lua-nginx-module and nginx.

local core = ...

local native = core.native.requests
local exit = core.native.output.exit
local wait, write_log = core.wait, core.write_log
local packed_headers = core.packed_headers
local concat, ceil, floor = table.concat, math.ceil, math.floor
local byte, find, format, gsub, sub = string.byte, string.find, string.format, string.gsub, string.sub
local error, select, setmetatable, tonumber, type, unpack = error, select, setmetatable, tonumber, type, unpack
local isyieldable = coroutine.isyieldable
local ngx = core.ngx

local LARGE = 16384 -- bytes that leave without being flushed
local ERR = 4
local BROKEN = "nginx output filter error" -- as a script knows it

-- ---- output ---------------------------------------------------------------------------------------------------------

-- Headers about a body, which a 304 does not have.
local OF_THE_BODY = { ["content-length"] = true, ["accept-ranges"] = true, ["content-encoding"] = true }

local function remove(headers, names)
    for i = headers and #headers or 0, 1, -1 do
        if names[headers[i][2]] then table.remove(headers, i) end
    end
end

-- What the request asks of the answer. If that is not so, it is answered by a page, and nothing more can be said.
local function meet_conditions(handler)
    core.load_chunk "conditions"
    local status = core.conditional_status(handler)
    if status == 304 then
        handler.status, handler.content_type = 304, false
        remove(handler.headers, OF_THE_BODY)
    elseif status == 412 then
        handler.precondition_failed = true
        handler.closed = BROKEN
    end
end

-- From now on the head is fixed.
local function begin(handler)
    handler.headers_sent = true
    if handler.is_conditional and (handler.status or 200) == 200 then meet_conditions(handler) end
    local status = handler.status
    if handler.is_head or status == 204 or status == 304 then
        handler.header_only = true
    elseif handler.headers and (status or 200) >= 200 then
        handler.left = tonumber(core.response_header(handler, "content-length"))
    end
end

-- Return what the announced length has room for of these data.
local function fitted(handler, data)
    local left = handler.left
    if #data > left then data = sub(data, 1, left) end
    handler.left = left - #data
    return data
end

-- Whether bytes are missing that the script has announced: the client must not wait for them.
local function is_short(handler) return handler.left and handler.left > 0 end

local function take(handler)
    local pieces = handler.pieces
    handler.pieces, handler.size = nil, 0
    if type(pieces) == "table" then return concat(pieces) end
    return pieces or ""
end

-- Hand over what has gathered, or `data`; waits while the client takes nothing.
local function send(handler, data)
    local packed
    if not handler.has_begun then
        handler.has_begun = true
        packed = packed_headers(handler)
    end
    local ok, err = wait(native.send, handler.number, handler.status or 200, data or take(handler), packed)
    if ok then return 1 end
    handler.closed = BROKEN
    return nil, err
end

local function write(handler, data)
    if handler.closed then return nil, handler.closed end
    local pieces = handler.pieces
    if not handler.headers_sent then
        if handler.is_old and data ~= "" and (pieces or not core.response_header(handler, "content-length")) then
            handler.status = handler.status or 200
        elseif not pieces then -- nginx keeps no empty piece, and so the head leaves
            handler.is_old = nil
            begin(handler)
            if handler.closed then return nil, handler.closed end
        end
    end
    if handler.left then data = fitted(handler, data) end
    if not pieces then
        if handler.header_only then
            handler.closed = "header only"
            return 1
        end
        handler.pieces = data
        handler.size = #data
    else
        if type(pieces) == "string" then
            handler.pieces = { pieces, data }
        else
            pieces[#pieces + 1] = data
        end
        handler.size = handler.size + #data
    end
    if handler.size >= LARGE and not handler.is_old and isyieldable() then
        if not send(handler) then return nil, BROKEN end
    end
    return 1
end

local function flush(handler, waits)
    if waits ~= nil and type(waits) ~= "boolean" then
        error("bad argument #1 to 'flush' (boolean expected, got " .. type(waits) .. ")", 2)
    end
    if handler.closed then return nil, handler.closed end
    if handler.is_old and handler.pieces then return nil, "buffering" end
    if not handler.headers_sent or (not waits and handler.size == 0 and not handler.has_begun) then
        return nil, "nothing to flush"
    end
    if (handler.size > 0 or not handler.has_begun) and isyieldable() then return send(handler) end
    return 1
end

-- Take what is to be sent last.
local function take_last(handler)
    local data = take(handler)
    if not handler.headers_sent then
        begin(handler)
        if handler.left then data = fitted(handler, data) end
    end
    return data
end

local function eof(handler)
    if handler.closed then return nil, handler.closed end
    local data = take_last(handler)
    if handler.closed then return nil, handler.closed end
    handler.closed = "seen eof"
    local ok
    if is_short(handler) then
        ok = send(handler, data)
    elseif handler.has_begun then
        ok = wait(native.send_last, handler.number, data)
    else
        handler.has_begun = true
        ok = wait(native.send_whole, handler.number, handler.status or 200, data, packed_headers(handler))
    end
    if ok then return 1 end
    return nil, BROKEN
end

function ngx.send_headers()
    local handler = core.request_in(1)
    if handler.headers_sent or handler.is_old and handler.pieces then return 1 end
    begin(handler)
    if handler.closed then return nil, handler.closed end
    handler.is_old = nil
    if handler.header_only then
        handler.closed = "header only"
    elseif (handler.status or 200) < 200 then
        local ok = send(handler)
        if not ok then return nil, BROKEN end
    end
    return 1
end

-- ---- redirects ------------------------------------------------------------------------------------------------------

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- A text for a message, without what could end its line.
local function shown(text)
    return (gsub(text, "[%z\1-\31\127]", function(char) return format("\\x%02X", byte(char)) end))
end
core.shown = shown

function ngx.redirect(...)
    local n = select("#", ...)
    if n ~= 1 and n ~= 2 then error("expecting one or two arguments", 2) end
    local uri, status = ...
    if type(uri) == "number" then uri = core.number_text(uri) end
    if type(uri) ~= "string" then
        error("bad argument #1 to 'redirect' (string expected, got " .. type(uri) .. ")", 2)
    end
    if n == 2 then
        local number = tonumber(status)
        if not number then
            error("bad argument #2 to 'redirect' (number expected, got " .. type(status) .. ")", 2)
        end
        status = core.integer(number)
        if not REDIRECTS[status] then
            error("only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, ngx.HTTP_PERMANENT_REDIRECT, "
                .. "ngx.HTTP_SEE_OTHER, and ngx.HTTP_TEMPORARY_REDIRECT are allowed", 2)
        end
    end
    local handler = core.request_in(1, "no request object found")
    if handler.headers_sent then error("attempt to call ngx.redirect after sending out the headers", 2) end
    local unsafe = find(uri, "[%z\1-\31\127]")
    if unsafe then
        error(format('unsafe byte "0x%02x" in redirect uri "%s"', byte(uri, unsafe), shown(uri)), 2)
    end
    local headers = handler.headers or {}
    handler.headers = headers
    headers[#headers + 1] = { "Location", "location", uri }
    if handler.pieces then handler.status = status or 302 end -- to a client of HTTP/1.0, and what was said goes along
    return wait(exit, handler.number, status or 302)
end

-- ---- the beginning and the end --------------------------------------------------------------------------------------

-- What is left to do, as Python reads it.
local NOTHING, WHOLE, REST, CUT, PENDING, SHORT = 0, 1, 2, 3, 4, 5

-- These end the connection, and nobody is told anything.
local CLOSING = { [408] = true, [444] = true, [499] = true }

-- What a page of an error has of its own, or has none of.
local OF_THE_CONTENT = { ["content-length"] = true, ["accept-ranges"] = true, ["last-modified"] = true, etag = true }

local function refuse(handler, status)
    local page
    page, status = core.error_page(status)
    handler.status = status
    handler.content_type = page and "text/html" or false
    remove(handler.headers, OF_THE_CONTENT)
    return WHOLE, status, page or "", packed_headers(handler)
end

local function refuse_conditions(handler)
    handler.headers = nil
    return refuse(handler, 412)
end

-- End what cannot be completed any more. A head without a body is complete.
local function cut(handler)
    if handler.headers_sent and handler.header_only and not handler.has_begun then
        handler.has_begun = true
        return WHOLE, handler.status or 200, "", packed_headers(handler)
    end
    return CUT, 0
end

local function finish(handler, exit_status, has_failed)
    if handler.is_switched then return NOTHING, 0 end
    if handler.precondition_failed then return refuse_conditions(handler) end
    if has_failed then
        if handler.headers_sent then return cut(handler) end
        return refuse(handler, 500)
    end
    if exit_status then
        if exit_status < 0 or (exit_status > 0 and exit_status < 200) or CLOSING[exit_status] then return cut(handler) end
        if handler.is_old and handler.pieces then
            exit_status = 0 -- what was said goes out as it is
        elseif exit_status >= 300 then
            if not handler.headers_sent then return refuse(handler, exit_status) end
            local sent = handler.status or 200
            if exit_status ~= sent then
                write_log(ERR, format("attempt to set status %d via ngx.exit after sending out the response status %d",
                    exit_status, sent))
            end
        elseif exit_status > 0 and not handler.headers_sent then
            if exit_status == 204 then remove(handler.headers, OF_THE_CONTENT) end
            handler.status = exit_status ~= 204 and handler.status or exit_status
        end
    end
    local closed = handler.closed
    if closed == BROKEN or closed == "seen eof" then
        if is_short(handler) then return CUT, 0 end
        return NOTHING, 0
    end
    local data = take_last(handler)
    if handler.precondition_failed then return refuse_conditions(handler) end
    handler.closed = "seen eof"
    if is_short(handler) then
        return SHORT, handler.status or 200, data, not handler.has_begun and packed_headers(handler) or nil
    end
    if handler.has_begun then return REST, 0, data end
    return WHOLE, handler.status or 200, data, packed_headers(handler)
end

-- The request is over. `exit_status` is what ngx.exit() was given, if it was; after an error `has_failed`.
-- Returns what Python has to do: WHOLE, status, body, headers; REST, 0, the last bytes; SHORT, status, body, headers,
-- which is WHOLE or REST but that the connection ends behind it; CUT, 0; or NOTHING, 0.
function core.finish_request(number, exit_status, has_failed)
    local handler = core.handler(number)
    core.handler_ended(number)
    return finish(handler, exit_status, has_failed)
end

-- Most requests are answered without a wait: these cost Python one call, and run in a coroutine that takes one after
-- the other. The first step of one that waits is kept until Python has prepared for more, and begins it, which is to go
-- on with it.
local first_step
local start, step = core.start, core.step

function core.start(number, ...)
    local kept = first_step
    if kept and kept.number == number then
        first_step = nil
        return unpack(kept, 1, kept.n)
    end
    return start(number, ...)
end

-- Without debug information, so that it is no place that an error in a request could name.
local work = core.without_lines([[
    local yield = ...
    return function(main)
        while true do
            main()
            main = yield()
        end
    end
]], core.raw_yield)

local parked -- the light thread that is ready for another request

local function stepped(record, handler, state, ...)
    if state == true then
        parked = record
        core.handler_ended(handler.number)
        return finish(handler)
    end
    local number = record.number
    first_step = { number = number, n = select("#", ...) + 1, state, ... }
    return PENDING, handler.number, number
end

local function begun(handler, ...) return stepped(core.current(), handler, ...) end

-- What all requests begin with.
local OF_REQUESTS = {
    __index = { is_request = true, size = 0, write = write, flush = flush, eof = eof },
}

-- Called by Python for each request. Returns what core.finish_request() does if `main` has ended; otherwise PENDING
-- and the numbers of the handler and of the light thread to be begun.
function core.serve(main, is_head, is_old, is_conditional)
    local handler = core.new_handler("content")
    if is_head then handler.is_head = true elseif is_old then handler.is_old = true end
    if is_conditional then handler.is_conditional = true end
    setmetatable(handler, OF_REQUESTS)
    local record = parked
    if record then
        parked = nil
        record.handler = handler
        return stepped(record, handler, step(record.number, main))
    end
    local number = core.new_call(work, handler)
    return begun(handler, start(number, main))
end
