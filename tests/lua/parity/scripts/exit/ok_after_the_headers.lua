-- serve

ngx.say("said")
ngx.flush(true)
ngx.exit(200)
