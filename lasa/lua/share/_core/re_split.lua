-- The module ngx.re: split() and opt(), as lua-resty-core has them.
-- Source: lua-resty-core, ngx.re.

local core = ...

local pcre = core.pcre
local compile, exec, span, set_jit_stack, was_cached =
    pcre.compile, pcre.exec, pcre.span, pcre.set_jit_stack, pcre.was_cached
local NO_MATCH = pcre.NO_MATCH
local failure = core.re.failure
local new_table = require("table.new")

local sub = string.sub
local error, tostring, type = error, tostring, type

local module = { version = core.ngx_lua_resty_version }

-- Take the empty strings off the end, and cut the array there.
local function trim(pieces, count)
    local last = count
    while last > 0 and pieces[last] == "" do
        pieces[last] = nil
        last = last - 1
    end
    pieces[last > 0 and last + 1 or count + 1] = nil
end

-- ctx.pos counts from 1 when it comes in and from 0 when it goes out, as it does in OpenResty.
function module.split(subject, regex, opts, ctx, max, into)
    subject = tostring(subject)
    if not ctx then
        ctx = { pos = 1 }
    elseif not ctx.pos then
        ctx.pos = 1
    end
    max = max or 0
    if into and type(into) ~= "table" then error("res is not a table", 2) end
    local pieces, count = into or new_table(4, 0), 0
    local length, first = #subject, ctx.pos
    if first > length then
        pieces[1] = nil
        return pieces
    end
    local pattern, err = compile(regex, opts)
    if not pattern then return nil, err end

    local found, last_empty, seen = 1, nil, nil -- found counts the pieces without captures, the last one included
    local pos = first - 1
    ctx.pos = pos
    while max <= 0 or found < max do
        local result
        result, seen = exec(pattern, subject, pos > 0 and pos or 0, seen)
        if result == NO_MATCH then break end
        if result < 0 then return nil, failure(result) end
        local from, to = span(0)
        local group
        if result > 1 then
            -- OpenResty's way: a first group that took no part (-1, -1), while a later one did, is the whole subject.
            local group_from, group_to = span(1)
            group = sub(subject, group_from + 1, group_to)
        end
        pos = from == to and to + 1 or to
        ctx.pos = pos
        -- After the first empty match, a piece begins where the match before the last one stood.
        if last_empty then first = last_empty end
        if from == to then last_empty = from + 1 end
        if from + 1 > first or not last_empty then
            found = found + 1
            count = count + 1
            pieces[count] = sub(subject, first, from)
            if group then
                count = count + 1
                pieces[count] = group
            end
            first = to + 1
            if first > length then break end
        end
    end

    if max <= 0 and first > length then
        trim(pieces, count)
    else
        pieces[count + 1] = sub(subject, first)
        pieces[count + 2] = nil
    end
    return pieces
end

function module.opt(name, value)
    if name ~= "jit_stack_size" then error("unrecognized option name", 2) end
    if was_cached() then
        error("changing jit stack size is not allowed when some regexs have already been compiled and cached", 2)
    end
    if not set_jit_stack(value) then error("pcre jit stack allocation failed", 2) end
end

core.modules["ngx.re"] = module
