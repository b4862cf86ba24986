-- serve

local function thread(name, inner)
    return ngx.thread.spawn(function()
        ngx.say(name, " begins")
        if inner then
            ngx.thread.wait(inner())
        end
        ngx.sleep(0.002)
        ngx.say(name, " ends")
    end)
end
ngx.thread.wait(thread("outer", function()
    return thread("inner")
end))
ngx.say("main ends")
