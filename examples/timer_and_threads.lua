-- Light threads, a semaphore and timers: what happens side by side, and in which order.
--
--     lasa run examples/timer_and_threads.lua

local semaphore = require "ngx.semaphore"

ngx.say("1. Light threads start at once and wait side by side")

local function cook(dish, seconds)
    ngx.say("   ", dish, " begins")
    ngx.sleep(seconds)
    return dish .. " is ready"
end

local coffee = ngx.thread.spawn(cook, "the coffee", 0.02)
local tea = ngx.thread.spawn(cook, "the tea", 0.01)
local _, first = ngx.thread.wait(coffee, tea) -- whoever ends first
ngx.say("   ", first)
ngx.say("   ", select(2, ngx.thread.wait(coffee)))

ngx.say("2. A semaphore lets two of five in at a time")

local tables, inside, most = semaphore.new(2), 0, 0

local function eat()
    assert(tables:wait(5)) -- seconds
    inside = inside + 1
    most = math.max(most, inside)
    ngx.sleep(0.001)
    inside = inside - 1
    tables:post()
end

local guests = {}
for i = 1, 5 do guests[i] = ngx.thread.spawn(eat) end
for _, guest in ipairs(guests) do ngx.thread.wait(guest) end
ngx.say("   never more than ", most, " at a time")

ngx.say("3. Timers run in light threads of their own; the program waits for them")

local ticks = 0

local function tick(premature, word)
    if premature then return end -- the program is told to end
    ticks = ticks + 1
    io.write("   ", word, " ", ticks, "\n") -- ngx.say is for the main code and for requests
    if ticks < 3 then assert(ngx.timer.at(0.005, tick, word)) end
end

assert(ngx.timer.at(0, tick, "tick"))
ngx.say("The end of the main code")
