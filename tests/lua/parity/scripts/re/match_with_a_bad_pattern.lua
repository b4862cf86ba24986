-- serve

local show = require "show"

local found, err = ngx.re.match("hello", "(abc")
show(found, err ~= nil and err:match("^pcre") ~= nil)
found, err = ngx.re.match("hello", "[a")
show(found, err ~= nil)
