-- serve
-- header: Authorization: Basic am9l
ngx.say(ngx.var.remote_user)
