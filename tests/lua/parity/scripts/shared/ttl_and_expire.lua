-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:set("forever", 1)
show(dict:ttl("forever"))
show(dict:expire("forever", 10))
local ttl = dict:ttl("forever")
show(ttl > 9 and ttl <= 10)
show(dict:expire("forever", 0))
show(dict:ttl("forever"))
show(dict:ttl("missing"))
show(dict:expire("missing", 1))
