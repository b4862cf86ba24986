-- serve

ngx.say("said")
ngx.flush(true)
ngx.exit(404)
ngx.say("never")
