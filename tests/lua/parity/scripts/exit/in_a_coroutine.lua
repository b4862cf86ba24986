-- serve

coroutine.wrap(function()
    ngx.say("inside")
    ngx.exit(200)
end)()
ngx.say("never")
