-- serve

local show = require "show"

local list = { 3, 1, 2 }
table.sort(list)
show(list)
table.sort(list, function(a, b)
    return a > b
end)
show(table.concat(list, ", "), table.concat({}), table.concat({ 1, "x", 2.5 }))
show(table.remove(list), table.remove(list, 1), list)
show(unpack({ 1, 2, 3 }))
show((pcall(table.concat, { {} })))
