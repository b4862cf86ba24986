-- Prints values so that every byte, every type and the number of values can be seen: show(nil, "a\n", 1) says
-- nil "a\n" 1, and show() says (nothing).

local concat = table.concat
local floor = math.floor
local say = ngx.say
local sort = table.sort

local names = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

local function quoted(text)
    return '"' .. text:gsub('[%c"\\\127-\255]', function(char)
        return names[char] or ("\\x%02x"):format(char:byte())
    end) .. '"'
end

local described

local function key_order(a, b)
    if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then
        return a < b
    end
    return type(a) < type(b) or (type(a) == type(b) and tostring(a) < tostring(b))
end

local function table_described(value)
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    sort(keys, key_order)
    local parts = {}
    for index, key in ipairs(keys) do
        local prefix = key == index and "" or (type(key) == "string" and key or "[" .. described(key) .. "]") .. " = "
        parts[index] = prefix .. described(value[key])
    end
    return "{" .. concat(parts, ", ") .. "}"
end

function described(value)
    local kind = type(value)
    if kind == "string" then
        return quoted(value)
    elseif kind == "number" and value == floor(value) and value < 1e15 and value > -1e15 then
        return ("%d"):format(value)
    elseif kind == "nil" or kind == "boolean" or kind == "number" then
        return tostring(value)
    elseif value == ngx.null then
        return "null"
    elseif kind == "table" then
        return table_described(value)
    end
    return "<" .. kind .. ">"
end

local show = {}

-- What show() would print, as a string.
function show.text(...)
    local parts = {}
    for index = 1, select("#", ...) do
        parts[index] = described((select(index, ...)))
    end
    return #parts > 0 and concat(parts, " ") or "(nothing)"
end

-- The message of an error without the place in front of it.
function show.message(err)
    return (tostring(err):gsub("^[^:]+:%d+: ", ""))
end

-- Runs f and prints the error that it raises, the place in front of it removed, or what it returns.
function show.raised(f, ...)
    local function report(ok, err, ...)
        if ok then
            say("no error: ", show.text(err, ...))
        else
            say("error: ", show.message(err))
        end
    end
    report(pcall(f, ...))
end

return setmetatable(show, {
    __call = function(_, ...)
        say(show.text(...))
    end,
})
