-- serve
-- request: GET {script} HTTP/1.0
-- shows: body
local results = {}
results[1] = { ngx.flush(true) }
ngx.say("one")
results[2] = { ngx.flush(true) }
results[3] = { ngx.flush() }
for _, result in ipairs(results) do ngx.say(result[1], " ", result[2]) end
