-- serve

ngx.status = 410
ngx.say("gone for good")
ngx.exit(ngx.HTTP_OK)
