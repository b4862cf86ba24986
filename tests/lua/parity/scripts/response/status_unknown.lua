-- serve

ngx.status = 299
ngx.say("odd")
