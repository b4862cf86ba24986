-- both
local create, resume, yield, status, wrap =
    coroutine._create, coroutine._resume, coroutine._yield, coroutine._status, coroutine._wrap
ngx.say(type(create), " ", type(resume), " ", type(yield), " ", type(status), " ", type(wrap))

local co = create(function(a)
    local b = yield(a + 1)
    return b * 2, "end"
end)
ngx.say(status(co))
ngx.say(resume(co, 1))
ngx.say(status(co), " ", type(co))
ngx.say(resume(co, 5))
ngx.say(status(co))
ngx.say(resume(co))

local failing = create(function() error("boom", 0) end)
ngx.say(resume(failing))
ngx.say(resume(failing))

local count = wrap(function() for i = 1, 3 do yield(i) end end)
ngx.say(count(), count(), count())
ngx.say(pcall(wrap(function() error("in wrap", 0) end)))

local outer = create(function()
    local inner = create(function() yield("inner") end)
    local ok, value = resume(inner)
    yield(value .. " through outer")
    return status(inner)
end)
ngx.say(resume(outer))
ngx.say(resume(outer))
