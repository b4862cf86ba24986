-- serve
-- header: Authorization: bAsIc  YW5uOnB3OnB3
ngx.say(ngx.var.remote_user)
