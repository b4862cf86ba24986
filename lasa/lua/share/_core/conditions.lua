-- What a request asks of the answer's ETag and Last-Modified: If-Match, If-None-Match, If-Modified-Since and
-- If-Unmodified-Since, as nginx's filter has them: for a 200 only, of any method, the dates of "since" being equal.
-- Source: nginx, ngx_http_not_modified_filter_module; "if_modified_since exact" is its default.

local core = ...

local find, gsub, sub = string.find, string.gsub, string.sub
local ngx = core.ngx

-- Return the value of a request's header; of several lines, which nginx refuses, as one list.
local function asked(handler, key)
    local headers, found = core.request_headers(handler), nil
    for i = 1, #headers do
        local header = headers[i]
        if header[2] == key then found = found and found .. ", " .. header[3] or header[3] end
    end
    return found
end

local function time_of(text) return text and ngx.parse_http_time(text) end

-- Whether a list of tags has one. A weak comparison takes W/"a" and "a" for the same.
local function has_tag(list, etag, is_weak)
    if list == "*" then return true end
    if not etag then return false end
    if is_weak then etag = gsub(etag, "^W/", "") end
    local at = 1
    while at do
        if is_weak and sub(list, at, at + 1) == "W/" then at = at + 2 end
        local behind = at + #etag
        if sub(list, at, behind - 1) == etag then
            if find(list, "^[ \t]*,", behind) or find(list, "^[ \t]*$", behind) then return true end
        end
        local comma = find(list, ",", at, true)
        at = comma and find(list, "[^ \t,]", comma)
    end
    return false
end

-- Return the status that a 200 has to be instead: 304, 412, or nil.
function core.conditional_status(handler)
    local modified = time_of(core.response_header(handler, "last-modified"))
    local etag = core.response_header(handler, "etag")
    local unmodified_since = asked(handler, "if-unmodified-since")
    if unmodified_since and not (modified and (time_of(unmodified_since) or -1) >= modified) then return 412 end
    local match = asked(handler, "if-match")
    if match and not has_tag(match, etag) then return 412 end
    local modified_since, none_match = asked(handler, "if-modified-since"), asked(handler, "if-none-match")
    if modified_since and not (modified and time_of(modified_since) == modified) then return nil end
    if none_match and not has_tag(none_match, etag, true) then return nil end
    return (modified_since or none_match) and 304 or nil
end
