-- serve
-- request: GET {script}/more%20path?a=1&b=x%20y HTTP/1.1

local show = require "show"

local var = ngx.var
show(var.uri, var.document_uri, var.request_uri)
show(var.args, var.query_string, var.is_args)
show(var.request, var.scheme, var.https)
