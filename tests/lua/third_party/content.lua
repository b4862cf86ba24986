-- What `lasa serve` runs for the scripts here: /echo, /script and /leave are WebSockets by lua-resty-websocket,
-- /cookies uses lua-resty-cookie; both are named by the argument `prefix` as Debian or others name them. /upload reads
-- a form in parts with two readers at once over the body's cosocket, the way of lua-resty-upload, which no package has.

local PREFIX = ngx.var.arg_prefix

local function accept(options)
    local server = require(PREFIX .. "websocket.server")
    options.timeout = 5000
    local wb, err = server:new(options)
    if not wb then
        ngx.status = 400
        ngx.say(err)
    end
    return wb
end

local handlers = {}

-- Give back what comes: messages as they came in pieces, a ping as a pong, a close as a close.
handlers["/echo"] = function()
    local wb = accept { max_payload_len = 2000000 }
    while wb do
        local data, kind, err = wb:recv_frame()
        if not data then
            ngx.log(ngx.INFO, "the end: ", err)
            return
        elseif kind == "close" then
            return wb:send_close(err or 1000, data)
        elseif kind == "ping" then
            wb:send_pong(data)
        elseif kind ~= "pong" then
            local opcode = kind == "text" and 1 or kind == "binary" and 2 or 0
            wb:send_frame(err ~= "again", opcode, data)
        end
    end
end

-- Send by itself what a server may, and tell what the client makes of it.
handlers["/script"] = function()
    local wb = accept {}
    wb:send_frame(false, 1, "in ")
    wb:send_ping("still there?")
    wb:send_frame(false, 0, "three ")
    wb:send_frame(true, 0, "pieces")
    local data, kind = wb:recv_frame()
    wb:send_text(kind .. ": " .. data)
    wb:set_timeout(20)
    local nothing, _, err = wb:recv_frame()
    wb:send_text(tostring(nothing) .. " " .. err)
    wb:set_timeout(5000)
    wb:send_close(1001, "going away")
    wb:recv_frame()
end

handlers["/leave"] = function() accept {} end

handlers["/cookies"] = function()
    local cookie = assert(require(PREFIX .. "cookie"):new())
    local found = cookie:get_all() or {}
    cookie:set { key = "seen", value = (tonumber(found.seen) or 0) + 1, path = "/", max_age = 60, httponly = true }
    cookie:set { key = "who", value = cookie:get "who" or "nobody", secure = true }
    cookie:set { key = "who", value = cookie:get "who" or "nobody", secure = true }
    local _, err = cookie:set { key = "no value" }
    ngx.say(found.seen, " ", found.who, " ", err)
end

handlers["/upload"] = function()
    local size = tonumber(ngx.var.arg_size)
    local boundary = ngx.var.content_type:match "boundary=([^;]+)"
    local sock, err = ngx.req.socket()
    if not sock then return ngx.say(err) end
    sock:settimeout(2000)
    local to_boundary = sock:receiveuntil("\r\n--" .. boundary)
    local to_line_end = sock:receiveuntil "\r\n"
    if sock:receive(#boundary + 2) ~= "--" .. boundary then return ngx.say "no boundary" end
    while true do
        local line
        line, err = to_line_end(100)
        if line == "--" then return ngx.say("the end, ", sock:receive("*a")) end
        local names = {}
        while line ~= nil do -- what follows the boundary, then the head of the part; both end by nil
            local rest = to_line_end(1)
            if rest then return ngx.say("line too long: ", line, rest) end
            if line ~= "" then names[#names + 1] = line end
            line, err = to_line_end(100)
            if line == "" then
                to_line_end(1)
                break
            end
        end
        if err then return ngx.say("head: ", err) end
        ngx.say("part: ", table.concat(names, " / "))
        local pieces = {}
        repeat
            local piece, partial
            piece, err, partial = to_boundary(size)
            pieces[#pieces + 1] = piece or partial
        until not piece
        local data = table.concat(pieces)
        ngx.say(#data <= 20 and ngx.escape_uri(data) or #data .. " bytes, md5 " .. ngx.md5(data))
        if err then return ngx.say("body: ", err) end
    end
end

handlers[ngx.var.uri]()
