-- serve

for _, name in ipairs({ "config", "ctx", "re", "shared", "socket", "thread", "timer", "worker" }) do
    ngx.print(name, " ", type(ngx[name]), "; ")
end
ngx.say()
