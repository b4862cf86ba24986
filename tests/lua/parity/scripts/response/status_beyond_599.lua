-- serve
ngx.status = 799
ngx.say(ngx.status)
