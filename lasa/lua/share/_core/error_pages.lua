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
local PAGE = "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n"
    .. "<hr><center>lasa</center>\r\n</body>\r\n</html>\r\n"

-- Return the page of a status, nil if it has none.
function core.error_page(status)
    local title = TITLES[status]
    return title and format(PAGE, status, title, status, title)
end
