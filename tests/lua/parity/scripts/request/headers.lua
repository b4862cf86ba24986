-- serve
-- header: X-Foo: bar
-- header: X-Twice: one
-- header: X-Twice: two
-- header: X-Empty:

local show = require "show"

local headers = ngx.req.get_headers()
show(headers["x-foo"], headers["X-Foo"], headers.x_foo, headers["X-FOO"])
show(headers["x-twice"], headers["x-empty"], headers["x-missing"])
show(headers.host, headers.connection)
