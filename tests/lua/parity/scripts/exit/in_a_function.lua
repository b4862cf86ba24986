-- serve

local function leave()
    ngx.say("leaving")
    return ngx.exit(200)
end
leave()
ngx.say("never")
