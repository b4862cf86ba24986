-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

for _, count in ipairs { "x", "", "2", "2.5", 2.5, true, false, {}, ngx.null, print, 3LL } do
    show(semaphore.new(count):count())
    local sema = semaphore.new()
    show(sema:post(count))
    show(sema:count())
end
show(semaphore:new(1):count())
show(semaphore.new(nil):count())
for _, count in ipairs { 0 / 0, 1 / 0, 1e300, 2 ^ 53 } do
    show(semaphore.new():post(count))
end
for _, count in ipairs { -1, "-1", -0.5, -1 / 0 } do
    show.raised(semaphore.new, count)
    show.raised(function() return (semaphore.new():post(count)) end)
end
show(semaphore.new(1):wait(0 / 0))
