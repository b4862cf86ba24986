-- serve

local show = require "show"

show(ngx.quote_sql_str("it's"))
show(ngx.quote_sql_str('a"b\\c'))
show(ngx.quote_sql_str("\0\b\n\r\t\26"))
show(ngx.quote_sql_str(""))
show(ngx.quote_sql_str("ü%_"))
show.raised(function()
    local text = ngx.quote_sql_str()
    return text
end)
