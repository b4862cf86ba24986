-- serve
-- shows: status

error("oops")
