-- serve
-- header: Connection: close
for _ = 1, 2 do
    for _, name in ipairs { "connection", "transfer_encoding", "content_length", "content_type", "last_modified" } do
        ngx.say(name, " ", ngx.var["sent_http_" .. name])
    end
end
