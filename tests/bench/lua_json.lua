-- lua_json.lua, a chunk to call with a module like cjson and a number: decodes and encodes each document so often, after
-- a first time, and returns lines of its name and the least CPU milliseconds that it took. Plain Lua, for any LuaJIT.

local cjson, times = ...

local SIZE = 1024 * 1024 -- bytes of each document

local documents = {
    escapes = '"' .. ("\\n"):rep(SIZE / 2) .. '"',
    characters = '"' .. ("\\u00e9"):rep(SIZE / 6) .. '"',
    text = '"' .. ("a"):rep(SIZE) .. '"',
    records = "[" .. ('{"id":12345,"name":"a name","price":12.5,"tags":["a","b"]},'):rep(SIZE / 58) .. "null]",
}

local function least_ms(f, argument)
    local result = f(argument)
    local least_s = math.huge
    for _ = 1, times do
        collectgarbage()
        local began_s = os.clock()
        f(argument)
        least_s = math.min(least_s, os.clock() - began_s)
    end
    return least_s * 1e3, result
end

local lines = {}
for _, name in ipairs { "escapes", "characters", "text", "records" } do
    local decode_ms, value = least_ms(cjson.decode, documents[name])
    lines[#lines + 1] = "decode_" .. name .. " " .. decode_ms
    lines[#lines + 1] = "encode_" .. name .. " " .. least_ms(cjson.encode, value)
end
return table.concat(lines, "\n")
