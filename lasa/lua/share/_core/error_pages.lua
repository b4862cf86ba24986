-- The pages that a status without a body is answered with: as nginx writes them, in our name.

local core = ...

local format = string.format

local TITLES = {
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Authorization Required",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Not Allowed",
    [406] = "Not Acceptable",
    [408] = "Request Time-out",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Request Entity Too Large",
    [414] = "Request-URI Too Large",
    [415] = "Unsupported Media Type",
    [416] = "Requested Range Not Satisfiable",
    [421] = "Misdirected Request",
    [429] = "Too Many Requests",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Temporarily Unavailable",
    [504] = "Gateway Time-out",
    [505] = "HTTP Version Not Supported",
    [507] = "Insufficient Storage",
}
local PAGE = "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n%s"
    .. "<hr><center>lasa</center>\r\n</body>\r\n</html>\r\n"

-- nginx's own statuses, which its clients know as 400.
local OF_NGINX = {
    [494] = "Request Header Or Cookie Too Large",
    [495] = "The SSL certificate error",
    [496] = "No required SSL certificate was sent",
    [497] = "The plain HTTP request was sent to HTTPS port",
}

-- Return the page of a status, nil if it has none, and the status that the client gets.
function core.error_page(status)
    local reason = OF_NGINX[status]
    if reason then return format(PAGE, 400, reason, 400, "Bad Request", "<center>" .. reason .. "</center>\r\n"), 400 end
    local title = TITLES[status]
    return title and format(PAGE, status, title, status, title, ""), status
end
