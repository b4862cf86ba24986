-- serve

ngx.say("said")
ngx.exit(ngx.OK)
ngx.say("never")
