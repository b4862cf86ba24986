-- serve

local show = require "show"

local text, count, err = ngx.re.sub("hello, 1234", "[0-9]", "${a")
show(text, count, err ~= nil)
text, count, err = ngx.re.sub("hello, 1234", "[0-9]", "$a")
show(text, count, err ~= nil)
