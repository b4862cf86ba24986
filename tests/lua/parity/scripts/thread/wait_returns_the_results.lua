-- serve

local show = require "show"

local thread = ngx.thread.spawn(function()
    ngx.sleep(0.005)
    return 1, nil, "three", nil
end)
show(ngx.thread.wait(thread))
