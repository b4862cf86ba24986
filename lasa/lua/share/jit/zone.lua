-- jit.zone: names for stretches of a program, which jit.p may tell apart: zone("name") enters one, zone() leaves it.
-- Source: LuaJIT, jit.profile.

local error, remove, setmetatable = error, table.remove, setmetatable

local zones = {}

function zones.get(self) return self[#self] end

function zones.flush(self)
    for i = #self, 1, -1 do self[i] = nil end
end

return setmetatable(zones, {
    __call = function(self, name)
        if name then
            self[#self + 1] = name
        else
            return remove(self) or error("empty zone stack", 2)
        end
    end,
})
