-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local done, got = semaphore.new(), nil
show(ngx.timer.at(0, function(premature, ...)
    got = show.text(premature, ...)
    done:post()
end, 1, nil, "three", nil))
show(got)
done:wait(1)
ngx.say(got)
