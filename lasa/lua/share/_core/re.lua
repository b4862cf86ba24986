-- ngx.re.match, ngx.re.find and ngx.re.gmatch, as lua-resty-core has them, over PCRE2 (core.pcre).
--
-- Where OpenResty's answer depends on its PCRE, these give what an OpenResty built with PCRE2 gives: the texts of
-- compile errors and the numbers in "pcre_exec() failed: N".
-- Source: lua-nginx-module, ngx.re.*; lua-resty-core, resty.core.regex.

local core = ...

local pcre = core.pcre
local compile, exec, span, hold, release = pcre.compile, pcre.exec, pcre.span, pcre.hold, pcre.release
local NO_MATCH = pcre.NO_MATCH
local new_table = require("table.new")

local sub = string.sub
local getmetatable, next, setmetatable, tostring = getmetatable, next, setmetatable, tostring

local re = core.ngx.re or {}
core.ngx.re = re

-- Put the named captures beside the numbered ones: false for an unset one, or with option D the list of the set ones.
local function collect_names(pattern, result)
    local names = pattern.names
    for i = 1, #names do
        local name, value = names[i].name, result[names[i].number]
        if not pattern.duplicate_names then
            result[name] = value
        elseif value then
            local list = result[name]
            if list then
                list[#list + 1] = value
            else
                result[name] = { value }
            end
        end
    end
end

-- The captures of the last match: [0] the whole, then each group, false where it took no part.
local function collect(pattern, subject, into)
    local result = into
    -- A metamethod may run code that matches again, and the captures are gone: it gets them when all are read.
    if not into or getmetatable(into) then
        result = new_table(pattern.count, pattern.names and #pattern.names or 0)
    end
    for i = 0, pattern.count do
        local from, to = span(i)
        result[i] = from >= 0 and sub(subject, from + 1, to)
    end
    if pattern.names then collect_names(pattern, result) end
    if into and result ~= into then
        for key, value in next, result do into[key] = value end
        return into
    end
    return result
end

local function failure(result) return "pcre_exec() failed: " .. result end

local function start_of(ctx)
    local pos = ctx.pos
    return pos and pos > 0 and pos - 1 or 0
end

-- What was found of the UTF-8 of a long subject that goes on by a ctx: PCRE2 checks all that is left, for each match
-- anew.
local LONG = 512 -- bytes
local checked_by = setmetatable({}, { __mode = "k" }) -- ctx -> { pattern, subject, from, seen }

-- Match where ctx.pos says.
local function exec_in(ctx, pattern, subject)
    local start = start_of(ctx)
    if not pattern.utf or #subject < LONG then return exec(pattern, subject, start) end
    local checked = checked_by[ctx]
    if not (checked and checked.subject == subject and checked.pattern == pattern and checked.from <= start) then
        checked = { pattern = pattern, subject = subject, from = start }
    end
    local result, seen = exec(pattern, subject, start, checked.seen)
    if result >= NO_MATCH then
        checked.seen = seen
        checked_by[ctx] = checked
    end
    return result
end

function re.match(subject, regex, opts, ctx, into)
    subject = tostring(subject)
    local pattern, err = compile(regex, opts)
    if not pattern then return nil, err end
    local result
    if ctx then result = exec_in(ctx, pattern, subject) else result = exec(pattern, subject, 0) end
    if result < 0 then
        if result == NO_MATCH then return nil end
        return nil, failure(result)
    end
    local _, to = span(0)
    local captures = collect(pattern, subject, into)
    if ctx then ctx.pos = to + 1 end
    return captures
end

function re.find(subject, regex, opts, ctx, nth)
    subject = tostring(subject)
    local pattern, err = compile(regex, opts)
    if not pattern then return nil, nil, err end
    local result
    if ctx then result = exec_in(ctx, pattern, subject) else result = exec(pattern, subject, 0) end
    if result < 0 then
        if result == NO_MATCH then return nil end
        return nil, nil, failure(result)
    end
    local from, to = span(0)
    local pos = to + 1
    if nth and nth > 0 then
        if nth > pattern.count then
            from = nil
        else
            from, to = span(nth)
        end
    end
    if ctx then ctx.pos = pos end
    if not from then return nil, nil, "nth out of bound" end
    if from < 0 then return nil, nil end
    return from + 1, to
end

local function finish(iterator)
    release(iterator.pattern)
    iterator.pattern = nil
    iterator.subject = nil
end

local function step(iterator)
    local pattern, subject, pos = iterator.pattern, iterator.subject, iterator.pos
    if not pattern then return nil end
    local result, seen = exec(pattern, subject, pos, iterator.seen)
    if result < 0 then
        finish(iterator)
        if result == NO_MATCH then return nil end
        return nil, failure(result)
    end
    local from, to = span(0)
    local captures = collect(pattern, subject)
    iterator.pos, iterator.seen = to > from and to or to + 1, seen
    if iterator.pos > #subject then finish(iterator) end
    return captures
end

local iterator_meta = { __call = step }

function re.gmatch(subject, regex, opts)
    subject = tostring(subject)
    local pattern, err = compile(regex, opts)
    if not pattern then return nil, err end
    hold(pattern)
    return setmetatable({ pattern = pattern, subject = subject, pos = 0, seen = false }, iterator_meta)
end

core.re = { collect = collect, failure = failure }
