-- both
-- A child runs until it waits, then its parent goes on, and only then whoever a child has woken.
local semaphore = require "ngx.semaphore"
local sema = semaphore.new(0)
local order, threads = {}, {}
local function note(...) order[#order + 1] = table.concat({ ... }, " ") end

for i = 1, 4 do
    threads[#threads + 1] = ngx.thread.spawn(function()
        note("waits", i)
        sema:wait(1)
        note("woken", i)
    end)
end
for i = 1, 4 do
    note("spawns", i)
    threads[#threads + 1] = ngx.thread.spawn(function()
        note("posts", i)
        sema:post(1)
        if i ~= 3 then coroutine.yield() end
        note("ends", i)
    end)
    note("has spawned", i)
end
note("before the wait")
for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
ngx.say(table.concat(order, "\n"))

-- A check, a spawn and a set are one step.
local owner, entered = nil, {}
local function enter(name)
    if owner then return entered end
    local helper = ngx.thread.spawn(function() sema:post(1) end)
    owner = name
    entered[#entered + 1] = name
    ngx.thread.wait(helper)
    return entered
end
local waiter = ngx.thread.spawn(function()
    sema:wait(1)
    enter("waiter")
end)
enter("main")
ngx.thread.wait(waiter)
ngx.say(table.concat(entered, ", "))

-- Nested children, the innermost first.
order = {}
local function nest(depth)
    note("in", depth)
    if depth < 3 then ngx.thread.wait(ngx.thread.spawn(nest, depth + 1)) end
    note("out", depth)
end
ngx.thread.wait(ngx.thread.spawn(nest, 1))
ngx.say(table.concat(order, ", "))
