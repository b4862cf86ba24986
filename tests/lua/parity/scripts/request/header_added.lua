-- serve
-- header: X-Here: 1
-- header: Content-Type: text/plain
local req = require "ngx.req"
req.add_header("X-Here", "2")
req.add_header("X-New", { "a", 5, true })
req.add_header("X_Under", 12.5)
req.add_header("Content-Type", "text/css")
req.add_header("Host", "b.test")
req.add_header("Empty", "")
local headers = ngx.req.get_headers()
local function show(value) return type(value) == "table" and table.concat(value, "|") or tostring(value) end
for _, name in ipairs { "X-Here", "X-New", "X_Under", "X-Under", "Content-Type", "Host", "Empty" } do
    ngx.say(name, ": ", show(headers[name]))
end
ngx.say(ngx.var.http_x_here, " ", ngx.var.http_x_new, " ", ngx.var.content_type)
for _, arguments in ipairs { { "X-A" }, { nil, "x" }, { "X-A", {} }, { 5, 6 } } do
    local ok, err = pcall(req.add_header, arguments[1], arguments[2])
    ngx.say(ok, " ", ok and "" or (tostring(err):gsub("^.-:%d+: ", "")))
end
