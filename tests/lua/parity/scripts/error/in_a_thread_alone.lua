-- serve

ngx.thread.spawn(function()
    error("oops")
end)
ngx.say("the handler goes on")
