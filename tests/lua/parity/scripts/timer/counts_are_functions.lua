-- both
ngx.say(type(ngx.timer.running_count), " ", type(ngx.timer.pending_count))
ngx.say(ngx.timer.running_count(), " ", ngx.timer.pending_count())
