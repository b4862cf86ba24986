-- serve
-- shows: Link, X-Many, X-Old, Cache-Control, Content-Type, Etag, Server-Timing, X-Bad, X-Under, Set-Cookie, Refresh, body
local resp = require "ngx.resp"
resp.add_header("Link", "<a>")
resp.add_header("Link", "<b>")
resp.add_header("X-Many", { "1", 2, true })
resp.add_header("X-Many", "4")
ngx.header["X-Old"] = "old"
resp.add_header("X-Old", "new")
resp.add_header("Cache-Control", "private")
resp.add_header("Cache-Control", "no-store")
ngx.header.content_type = "text/html"
resp.add_header("Content-Type", "text/css")
resp.add_header("ETag", "one")
resp.add_header("ETag", "two")
resp.add_header("Refresh", "1")
resp.add_header("Refresh", "2")
resp.add_header("Set-Cookie", { "a=1", "b=2" })
resp.add_header("Set-Cookie", "c=3")
resp.add_header("Server_Timing", 12.5)
resp.add_header("X-Bad", "a\r\nb: c")
resp.add_header("X-Under", {})
resp.add_header("X-Under", "")
local headers = ngx.resp.get_headers()
ngx.say(#headers.Link, " ", headers.Link[1], " ", headers.Link[2], " ", #headers.x_many)
ngx.say(table.concat(ngx.header.link, "|"), " ", table.concat(ngx.header.set_cookie, "|"))
for _, arguments in ipairs { { "X-A" }, { nil, "x" }, { "X-A", {} }, { 5, 6 } } do
    local ok, err = pcall(resp.add_header, arguments[1], arguments[2])
    ngx.say(ok, " ", ok and "" or (tostring(err):gsub("^.-:%d+: ", "")))
end
local names = {}
for name, value in pairs(resp) do
    if type(value) == "function" then names[#names + 1] = name end
end
table.sort(names)
ngx.say(table.concat(names, " "))
ngx.flush(true)
ngx.say(pcall(resp.add_header, "X-Late", "1"))
