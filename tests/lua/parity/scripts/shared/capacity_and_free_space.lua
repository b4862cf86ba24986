-- serve

local show = require "show"

local dict = ngx.shared.dict
show(dict:capacity())
show(type(dict:free_space()), dict:free_space() <= dict:capacity())
