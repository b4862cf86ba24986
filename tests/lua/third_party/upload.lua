-- Forms in parts, read by a handler of `lasa serve` as they come; see /upload in content.lua.

local PORT = tonumber(arg[2])

local case, equal, all = require "cases" ()

local function part(name, data)
    return ('--frontier\r\nContent-Disposition: form-data; name="%s"\r\nX-Other: 1\r\n\r\n%s\r\n'):format(name, data)
end

-- Send a form in pieces of a size, and return the lines of the answer.
local function upload(body, options)
    options = options or {}
    local sock = assert(ngx.socket.connect("127.0.0.1", PORT))
    sock:settimeout(5000)
    assert(sock:send { "POST /upload?size=", options.read or 4096, " HTTP/1.1\r\nHost: localhost\r\n",
        "Connection: close\r\nContent-Type: multipart/form-data; boundary=frontier\r\n",
        "Content-Length: ", #body, "\r\n\r\n" })
    local piece = options.piece or #body
    for i = 1, #body, piece do
        assert(sock:send(body:sub(i, i + piece - 1)))
        if piece < 100 then ngx.sleep(0) end
    end
    local answer = sock:receive "*a"
    sock:close()
    local lines = {}
    for line in answer:match "\r\n\r\n(.*)":gmatch "([^\r\n]*)\r?\n" do lines[#lines + 1] = line end
    return lines
end

local HEAD = 'part: Content-Disposition: form-data; name="%s" / X-Other: 1'

case("parts of bytes of every kind, however they are read and arrive", function()
    local body = part("one", "a\0b\255") .. part("two", "") .. part("three", "\r\n--front\r\n") .. "--frontier--\r\n"
    for _, read in ipairs { 1, 3, 4096 } do
        for _, piece in ipairs { 1, 7, 1000 } do
            equal(upload(body, { read = read, piece = piece }), { HEAD:format "one", "a%00b%FF", HEAD:format "two", "",
                HEAD:format "three", "%0D%0A--front%0D%0A", "the end, " })
        end
    end
end)

case("three megabytes in one part", function()
    local large = ("0123456789\0\r\n-\r"):rep(209716)
    local answer = upload(part("large", large) .. "--frontier--\r\nepilogue", { read = 8192 })
    equal(answer[1], HEAD:format "large")
    equal(answer[2], #large .. " bytes, md5 " .. ngx.md5(large))
    equal(answer[3], "the end, epilogue")
end)

case("too long a line, what is no form, and no body", function()
    equal(upload("--frontier\r\n" .. ("x"):rep(150) .. "\r\n"), { "line too long: " .. ("x"):rep(101) })
    equal(upload "nothing of the kind", { "no boundary" })
    equal(upload "", { "no body" })
end)

case("ten uploads at the same time", function()
    local function send() return upload(part("x", "y") .. "--frontier--\r\n", { piece = 5 })[2] end
    equal(table.concat(all(send, send, send, send, send, send, send, send, send, send)), ("y"):rep(10))
end)
