-- ngx.re.sub and ngx.re.gsub, as lua-resty-core has them: a replacement is a template ($0, $1, ${1}, $$) or a function.
-- Source: lua-nginx-module, ngx.re.sub, ngx.re.gsub.

local core = ...

local pcre, ngx = core.pcre, core.ngx
local compile, exec, span, hold, release = pcre.compile, pcre.exec, pcre.span, pcre.hold, pcre.release
local NO_MATCH = pcre.NO_MATCH
local collect, failure = core.re.collect, core.re.failure
local new_buffer = require("string.buffer").new

local find, match, sub = string.find, string.match, string.sub
local tonumber, tostring, type = tonumber, tostring, type

local MAX_TEMPLATES = 1024
local MAX_KEPT_TEMPLATE = 4096 -- bytes
local MAX_KEPT_BUFFER = 1024 * 1024 -- bytes

-- Templates: an array of strings and capture numbers; a template that says nothing but itself is the string.

local templates, template_count = {}, 0

local function complain(message)
    if ngx.log then ngx.log(ngx.ERR, message) end
    return nil
end

local function parse(template)
    local parts, pos = {}, 1
    while true do
        local dollar = find(template, "$", pos, true)
        if dollar ~= pos and pos <= #template then parts[#parts + 1] = sub(template, pos, (dollar or 0) - 1) end
        if not dollar then return parts end
        local open, digits = match(template, "^({?)(%d+)", dollar + 1)
        if digits then
            pos = dollar + 1 + #open + #digits
            if open == "{" then
                if sub(template, pos, pos) ~= "}" then
                    return complain('the closing bracket in "' .. digits .. '" variable is missing')
                end
                pos = pos + 1
            end
            parts[#parts + 1] = tonumber(digits)
        elseif sub(template, dollar + 1, dollar + 1) == "$" then
            parts[#parts + 1] = "$"
            pos = dollar + 2
        else
            local bracket, name = match(template, "^({?)([%w_]+)", dollar + 1)
            if not name then
                return complain('lua script: invalid capturing variable name found in "' .. template .. '"')
            end
            if bracket == "{" and sub(template, dollar + 2 + #name, dollar + 2 + #name) ~= "}" then
                return complain('the closing bracket in "' .. name .. '" variable is missing')
            end
            return complain('attempt to use named capturing variable "' .. name
                .. '" (named captures not supported yet)')
        end
    end
end

local function template_of(replacement)
    if not find(replacement, "$", 1, true) then return replacement end
    local parts = templates[replacement]
    if parts then return parts end
    parts = parse(replacement)
    if parts and #replacement <= MAX_KEPT_TEMPLATE then
        if template_count == MAX_TEMPLATES then
            templates, template_count = {}, 0
        end
        templates[replacement] = parts
        template_count = template_count + 1
    end
    return parts
end

local function put_parts(out, parts, pattern, subject)
    for i = 1, #parts do
        local part = parts[i]
        if type(part) == "string" then
            out:put(part)
        elseif part <= pattern.count then
            local from, to = span(part)
            if to > from then out:put(sub(subject, from + 1, to)) end
        end
    end
end

-- Substituting -----------------------------------------------------------------------------------------------------

-- The one buffer of the substitutions that run no code of the user's.
local shared = new_buffer()

local function substitute(subject, pattern, replace, template, all, out)
    local count, pos, copied, seen = 0, 0, 0, nil
    local length = #subject
    repeat
        local result
        result, seen = exec(pattern, subject, pos, seen)
        if result < 0 then
            if result == NO_MATCH then break end
            return nil, nil, failure(result)
        end
        count = count + 1
        local from, to = span(0)
        if from > copied then out:put(sub(subject, copied + 1, from)) end
        if replace then
            out:put(tostring(replace(collect(pattern, subject))))
        elseif type(template) == "string" then
            out:put(template)
        else
            put_parts(out, template, pattern, subject)
        end
        copied = to
        pos = to == from and to + 1 or to
    until not all or pos > length
    if count == 0 then return subject, 0 end
    if copied < length then out:put(sub(subject, copied + 1)) end
    return out:get(), count
end

local function substitute_with_function(subject, pattern, replace, all)
    hold(pattern) -- if the function raises, the pattern is left to the garbage collector
    local text, count, err = substitute(subject, pattern, replace, nil, all, new_buffer())
    release(pattern)
    return text, count, err
end

local function substitute_with_template(subject, pattern, template, all)
    shared:reset()
    local text, count, err = substitute(subject, pattern, nil, template, all, shared)
    if text and #text > MAX_KEPT_BUFFER then shared:free() end
    return text, count, err
end

local function sub_or_gsub(all)
    return function(subject, regex, replace, opts)
        local pattern, err = compile(regex, opts)
        if not pattern then return nil, nil, err end
        local text, count
        if type(replace) == "function" then
            text, count, err = substitute_with_function(tostring(subject), pattern, replace, all)
        else
            local template = template_of(tostring(replace))
            if not template then return nil, nil, "failed to compile the replacement template" end
            text, count, err = substitute_with_template(tostring(subject), pattern, template, all)
        end
        if err then return nil, nil, err end
        return text, count
    end
end

ngx.re.sub = sub_or_gsub(false)
ngx.re.gsub = sub_or_gsub(true)
