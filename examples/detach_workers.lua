-- Workers in OS threads of their own, each with its own Lua, that take numbers from one channel and put results into
-- another: the light threads here go on while they compute.
--
--     lasa run examples/detach_workers.lua [NUMBER_OF_WORKERS]

local WORKER = [[
    local jobs, results = ...

    local function sum_of_primes(limit)
        local composite, sum = {}, 0
        for number = 2, limit do
            if not composite[number] then
                sum = sum + number
                for multiple = number * number, limit, number do composite[multiple] = true end
            end
        end
        return sum
    end

    local done = 0
    while true do
        local limit, err = jobs:receive() -- waits; other light threads of this OS thread may run
        if not limit then return done end -- "closed", and nothing is left
        results:send { limit = limit, sum = sum_of_primes(limit) }
        done = done + 1
    end
]]

local LIMITS = { 10, 100, 1000, 10000, 100000 }

local jobs, results = lasa.channel(2), lasa.channel(2)
local workers = {}
for i = 1, tonumber(arg[1] or 2) do
    workers[i] = assert(lasa.detach { name = "worker-" .. i, content_by_lua = WORKER, args = { jobs, results } })
end

lasa.thread.spawn(function()
    for _, limit in ipairs(LIMITS) do jobs:send(limit) end -- waits while the channel is full
    jobs:close()
end)

local sums = {}
for _ = 1, #LIMITS do
    local result = results:receive()
    sums[result.limit] = result.sum
end
for _, limit in ipairs(LIMITS) do ngx.say("the primes up to ", limit, " add up to ", sums[limit]) end

local total = 0
for _, worker in ipairs(workers) do
    local ok, done = worker:join()
    total = total + (ok and done or 0)
end
ngx.say(#workers, " workers did ", total, " jobs")
