-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local done, got = semaphore.new(), nil
ngx.timer.at(0, function()
    got = show.text(pcall(function()
        ngx.say("x")
    end))
    done:post()
end)
done:wait(1)
ngx.say(got)
