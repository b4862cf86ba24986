-- both

local line = ("0123456789"):rep(100)
for _ = 1, 100 do
    ngx.say(line)
end
