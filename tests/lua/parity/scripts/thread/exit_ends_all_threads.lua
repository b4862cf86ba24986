-- both

ngx.thread.spawn(function()
    ngx.sleep(10)
    ngx.say("never")
end)
ngx.say("main")
ngx.exit(200)
