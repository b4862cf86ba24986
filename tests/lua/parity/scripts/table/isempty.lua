-- serve

local isempty = require "table.isempty"
local show = require "show"

show(isempty({}), isempty({ 1 }), isempty({ a = 1 }), isempty({ nil }), isempty({ false }))
show((pcall(isempty, nil)))
