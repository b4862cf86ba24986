-- serve

ngx.status = ngx.HTTP_NOT_FOUND
ngx.say("my own page")
