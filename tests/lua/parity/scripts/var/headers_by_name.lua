-- serve
-- header: X-Foo-Bar: baz
-- header: User-Agent: parity
-- header: Cookie: one=1; two=2
-- header: Referer: http://b.test/

local show = require "show"

local var = ngx.var
show(var.http_x_foo_bar, var.http_user_agent, var.http_cookie, var.http_missing)
show(var.cookie_one, var.cookie_two, var.cookie_three, var.http_referer)
