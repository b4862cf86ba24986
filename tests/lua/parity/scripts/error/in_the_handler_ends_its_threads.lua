-- serve
-- shows: status

ngx.thread.spawn(function()
    ngx.sleep(10)
end)
error("oops")
