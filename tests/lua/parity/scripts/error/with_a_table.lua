-- serve
-- shows: status

error({ code = 1 })
