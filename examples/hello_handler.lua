-- A content handler, as content_by_lua_file has it: a greeting, a form, a JSON service.
--
--     lasa serve examples/hello_handler.lua --listen 127.0.0.1:8000 --set shared_dict.visits=1m
--
-- Try  curl http://127.0.0.1:8000/?name=Ann
--      curl -d name=Bob http://127.0.0.1:8000/
--      curl http://127.0.0.1:8000/api/time
-- It runs for each request, in a light thread of its own; nginx would run the same file.

local cjson = require "cjson.safe"

-- Who asks: by the query or by a form.
local function name_of_visitor()
    if ngx.req.get_method() ~= "POST" then return ngx.var.arg_name or "world" end
    ngx.req.read_body()
    return ngx.req.get_post_args().name or "world"
end

local function greet()
    local name = name_of_visitor()
    ngx.header.content_type = "text/plain; charset=utf-8"
    ngx.say("hello, ", name)
    local visits = ngx.shared.visits
    if visits then ngx.say("visits of ", name, ": ", (visits:incr(name, 1, 0))) end
end

local function tell_time()
    ngx.header["Content-Type"] = "application/json"
    ngx.say(cjson.encode { now = ngx.time(), client = ngx.var.remote_addr })
end

local uri = ngx.var.uri
if uri == "/" then
    greet()
elseif uri == "/api/time" then
    tell_time()
elseif uri == "/old" then
    ngx.redirect("/", ngx.HTTP_MOVED_PERMANENTLY)
else
    ngx.exit(ngx.HTTP_NOT_FOUND)
end
