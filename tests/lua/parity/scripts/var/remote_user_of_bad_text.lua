-- serve
-- header: Authorization: Basic am9lOnB3 x
ngx.say(ngx.var.remote_user)
