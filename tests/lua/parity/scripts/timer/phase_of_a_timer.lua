-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local done, phase = semaphore.new(), nil
ngx.timer.at(0, function()
    phase = ngx.get_phase()
    done:post()
end)
done:wait(1)
show(phase)
