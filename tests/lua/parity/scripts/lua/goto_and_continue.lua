-- serve

local show = require "show"

for index = 1, 4 do
    if index % 2 == 0 then
        goto continue
    end
    show(index)
    ::continue::
end
