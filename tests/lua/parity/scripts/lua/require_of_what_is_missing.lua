-- serve

local show = require "show"

local ok, err = pcall(require, "no.such.module")
show(ok, err:match("^module 'no.such.module' not found:"))
