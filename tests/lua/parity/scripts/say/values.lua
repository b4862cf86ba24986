-- both

ngx.say("text", 1, 2.5, true, false, nil, "end")
ngx.print("text", 1, 2.5, true, false, nil, "end", "\n")
ngx.say()
ngx.say("")
ngx.say(nil)
