-- lua_compute.lua, a chunk to call with a number: runs each kernel so often, after a first time that has it compiled,
-- and returns lines of its name and the least CPU milliseconds that it took. Plain Lua, for any LuaJIT.

local times = tonumber((...))

local kernels = {}

function kernels.loop()
    local sum = 0
    for i = 1, 2e7 do sum = sum + i % 7 end
    return sum
end

function kernels.tables()
    local sum = 0
    for _ = 1, 20 do
        local squares, by_name = {}, {}
        for i = 1, 50000 do
            squares[i] = i * i
            by_name["key" .. i % 100] = i
        end
        for i, value in ipairs(squares) do sum = sum + value % i end
        for _, value in pairs(by_name) do sum = sum + value end
    end
    return sum
end

function kernels.strings()
    local size = 0
    for _ = 1, 10 do
        local pieces = {}
        for i = 1, 20000 do pieces[i] = ("%d:%s"):format(i, "x") end
        local text = table.concat(pieces, ",")
        for number in text:gmatch("(%d+):x") do size = size + #number end
    end
    return size
end

function kernels.calls()
    local function fibonacci(n) return n < 2 and n or fibonacci(n - 1) + fibonacci(n - 2) end
    return fibonacci(30)
end

function kernels.mandelbrot()
    local inside = 0
    for y = 0, 199 do
        for x = 0, 199 do
            local cr, ci, zr, zi, i = x / 100 - 1.5, y / 100 - 1, 0, 0, 0
            while i < 100 and zr * zr + zi * zi < 4 do
                zr, zi, i = zr * zr - zi * zi + cr, 2 * zr * zi + ci, i + 1
            end
            if i == 100 then inside = inside + 1 end
        end
    end
    return inside
end

function kernels.bodies()
    local bodies = {}
    for i = 1, 5 do
        bodies[i] = { x = i, y = i * i % 5, z = i % 3, vx = 0, vy = 0, vz = 0, mass = 1 / i }
    end
    for _ = 1, 50000 do
        for i = 1, 5 do
            local a = bodies[i]
            for j = i + 1, 5 do
                local b = bodies[j]
                local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
                local square = dx * dx + dy * dy + dz * dz + 0.01
                local pull = 1e-4 / (square * math.sqrt(square))
                a.vx, a.vy, a.vz = a.vx - dx * b.mass * pull, a.vy - dy * b.mass * pull, a.vz - dz * b.mass * pull
                b.vx, b.vy, b.vz = b.vx + dx * a.mass * pull, b.vy + dy * a.mass * pull, b.vz + dz * a.mass * pull
            end
        end
        for i = 1, 5 do
            local body = bodies[i]
            body.x, body.y, body.z = body.x + body.vx * 1e-4, body.y + body.vy * 1e-4, body.z + body.vz * 1e-4
        end
    end
    return bodies[1].x
end

local lines = {}
for _, name in ipairs { "loop", "tables", "strings", "calls", "mandelbrot", "bodies" } do
    local kernel = kernels[name]
    local expected = kernel()
    local least_s = math.huge
    for _ = 1, times do
        collectgarbage()
        local began_s = os.clock()
        assert(kernel() == expected)
        least_s = math.min(least_s, os.clock() - began_s)
    end
    lines[#lines + 1] = name .. " " .. least_s * 1e3
end
return table.concat(lines, "\n")
