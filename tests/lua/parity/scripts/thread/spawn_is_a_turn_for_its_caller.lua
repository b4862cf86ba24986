-- both
-- Main goes on before f learns which thread g is.

local function g()
    ngx.say("g begins")
    ngx.sleep(0.01)
    ngx.say("g ends")
end
local function f()
    ngx.say("f begins")
    ngx.thread.spawn(g)
    ngx.say("f goes on")
end
ngx.thread.spawn(f)
ngx.say("main goes on")
