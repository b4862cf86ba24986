-- Fetch pages at the same time, over kept connections, and tell what came.
--
--     lasa run examples/http_fetch.lua http://example.com/ http://example.org/

if #arg == 0 then
    io.stderr:write("usage: lasa run examples/http_fetch.lua URL...\n")
    os.exit(1)
end

local client = lasa.http.client:new { timeout = 10 } -- seconds, for a whole request

local function fetch(url)
    local started_us = lasa.monotonictime()
    local ok, response, read = client:request { url = url }
    if not ok then return url .. ": " .. response end
    local size = 0
    if read then -- a body that comes in chunks
        for piece in read do
            if piece.err then return url .. ": " .. piece.err end
            size = size + #piece.body
        end
    else
        size = #response.body
    end
    local took_ms = (lasa.monotonictime() - started_us) / 1000
    ngx.log(ngx.INFO, url, " took ", took_ms, " ms")
    return ("%s: %d %s, %d bytes of %s"):format(
        url, response.code, response.status, size, response.headers["content-type"] or "something")
end

local threads = {}
for i, url in ipairs(arg) do threads[i] = lasa.thread.spawn(fetch, url) end
local status = 0
for _, thread in ipairs(threads) do
    local ok, line = lasa.thread.wait(thread)
    ngx.say(line)
    if not ok then status = 1 end
end
client:close()
os.exit(status)
