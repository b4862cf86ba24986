-- serve

ngx.thread.spawn(function()
    ngx.sleep(0.002)
    error("oops")
end)
ngx.say("the handler goes on")
ngx.sleep(0.01)
ngx.say("and ends")
