-- serve

local show = require "show"

local result = { "old", "older", "oldest", "still there", name = "kept" }
local found = ngx.re.match("hello, 1234", "([a-z]+), ([0-9]+)", "", nil, result)
show(found == result, result)
