-- serve
ngx.status = 201.7
ngx.say(ngx.status, " ", ngx.var.status)
