-- both

local nkeys = require "table.nkeys"
local show = require "show"

show(nkeys({}), nkeys({ 1, 2 }), nkeys({ 1, nil, 3 }), nkeys({ a = 1, b = 2, 3 }))
