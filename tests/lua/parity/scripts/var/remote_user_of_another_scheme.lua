-- serve
-- header: Authorization: Bearer am9lOnB3
ngx.say(ngx.var.remote_user)
