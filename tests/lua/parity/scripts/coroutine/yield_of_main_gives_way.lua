-- serve

ngx.thread.spawn(function()
    ngx.say("the thread begins")
    coroutine.yield()
    ngx.say("the thread ends")
end)
ngx.say("main begins")
coroutine.yield()
ngx.say("main ends")
