-- both

ngx.thread.spawn(function()
    for index = 1, 2 do
        ngx.say("thread ", index)
        ngx.sleep(0)
    end
end)
for index = 1, 2 do
    ngx.say("main ", index)
    ngx.sleep(0)
end
