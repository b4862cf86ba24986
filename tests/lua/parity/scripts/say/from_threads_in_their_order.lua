-- both

for index = 1, 3 do
    ngx.thread.spawn(function()
        ngx.say(index, " begins")
        ngx.sleep(0.02 * index)
        ngx.say(index, " ends")
    end)
end
