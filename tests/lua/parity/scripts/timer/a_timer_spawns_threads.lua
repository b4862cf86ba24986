-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local done, got = semaphore.new(), nil
ngx.timer.at(0, function()
    local thread = ngx.thread.spawn(function()
        ngx.sleep(0.002)
        return "thread"
    end)
    got = show.text(ngx.thread.wait(thread))
    done:post()
end)
done:wait(1)
ngx.say(got)
