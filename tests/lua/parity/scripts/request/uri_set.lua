-- serve
-- request: GET {script}?a=1 HTTP/1.1

local show = require "show"

show(ngx.req.set_uri("/other"))
show(ngx.var.uri, ngx.var.args, ngx.req.is_internal())
ngx.req.set_uri("/with a space")
show(ngx.var.uri)

-- Called by its name, since messages have it.
local function raised(...)
    local n, arguments = select("#", ...), { ... }
    show.raised(function()
        ngx.req.set_uri(unpack(arguments, 1, n))
    end)
end

raised()
raised("")
raised({})
raised("/a", "yes")
show(ngx.var.uri)
