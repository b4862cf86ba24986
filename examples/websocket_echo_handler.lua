-- A WebSocket echo as a content handler, frame by frame with lua-resty-websocket, as it would run in OpenResty.
--
--     lasa serve examples/websocket_echo_handler.lua --listen 127.0.0.1:9001
--
-- It needs lua-resty-websocket: a folder with it is named by -I, or by LUA_PATH. Talk to it with
-- examples/websocket_echo_client.py, or with any browser.

local server = require "resty.websocket.server"

local wb, err = server:new { timeout = 60000, max_payload_len = 65536 } -- milliseconds, bytes
if not wb then
    ngx.log(ngx.ERR, "no handshake: ", err)
    return ngx.exit(ngx.HTTP_BAD_REQUEST)
end

while not wb.fatal do
    local data, kind
    data, kind, err = wb:recv_frame()
    if kind == "close" then
        wb:send_close(err or 1000, "") -- its third value is the code
        return
    elseif kind == "ping" then
        wb:send_pong(data)
    elseif kind == "text" then
        wb:send_text(data)
    elseif kind == "binary" then
        wb:send_binary(data)
    elseif not data then
        ngx.log(ngx.NOTICE, "lost a client: ", err)
    end
end
