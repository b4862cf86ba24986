-- both

ngx.thread.spawn(function()
    ngx.sleep(0.01)
    ngx.say("the thread ends")
end)
ngx.say("main ends")
