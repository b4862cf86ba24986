-- serve
-- A pool of three workers takes jobs from one list.

local show = require "show"

local jobs, results = {}, {}
for index = 1, 9 do
    jobs[index] = index
end
local function worker()
    while #jobs > 0 do
        local job = table.remove(jobs, 1)
        ngx.sleep(0.001)
        results[job] = job * job
    end
end
local workers = {}
for index = 1, 3 do
    workers[index] = ngx.thread.spawn(worker)
end
for _, thread in ipairs(workers) do
    ngx.thread.wait(thread)
end
show(results)
