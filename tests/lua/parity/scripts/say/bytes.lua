-- both

ngx.print("\0\1\127\128\255")
ngx.print("\r\n")
ngx.say(("x"):rep(10))
