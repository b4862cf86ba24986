-- serve

local show = require "show"

local found, err = ngx.re.match("1234", "[0-9]+", "", { pos = 50 })
show(found, err ~= nil)
show(ngx.re.match("1234", "[0-9]*", "", { pos = 5 }))
