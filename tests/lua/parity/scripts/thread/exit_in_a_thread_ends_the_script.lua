-- both

ngx.thread.spawn(function()
    ngx.sleep(0.005)
    ngx.say("the thread")
    ngx.exit(200)
end)
ngx.sleep(10)
ngx.say("never")
