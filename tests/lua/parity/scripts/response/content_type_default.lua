-- serve
-- shows: Content-Type, body

ngx.say("text")
