-- serve
-- header: Authorization: Basic OnB3
ngx.say(ngx.var.remote_user)
