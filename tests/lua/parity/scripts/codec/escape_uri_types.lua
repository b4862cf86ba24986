-- serve

local bytes = {}
for byte = 0, 255 do
    bytes[#bytes + 1] = string.char(byte)
end
bytes = table.concat(bytes)
for kind = 0, 6 do
    ngx.say(kind, " ", ngx.escape_uri(bytes, kind))
end
