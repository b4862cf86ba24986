-- jit.bcsave: Lua compiled to bytecode and written into a file, as `luajit -b` does it: start("-s", "in.lua", "out.raw").
-- It writes bytecode as it is; objects and headers of C, and listings, are for the tools of LuaJIT itself.
-- Source: LuaJIT, "Running LuaJIT", -b.

local error, io, load, loadfile, string = error, io, load, loadfile, string

local function bytecode_of(input, name, is_text)
    if is_text then return load(input, name and "@" .. name or "=(command line)") end
    if input ~= "-" and not name then return loadfile(input) end
    local file = input == "-" and io.stdin or assert(io.open(input, "rb"))
    local text = file:read "*a"
    if file ~= io.stdin then file:close() end
    return load(text, "@" .. (name or "stdin"))
end

local function start(...)
    local words, strips, is_text, name = {}, true, false, nil
    local arguments, i = { ... }, 1
    while arguments[i] do
        local word = arguments[i]
        if word == "-g" then strips = false
        elseif word == "-s" then strips = true
        elseif word == "-e" then is_text = true
        elseif word == "-n" then
            i = i + 1
            name = arguments[i]
        elseif word == "-t" and arguments[i + 1] == "raw" then i = i + 1
        elseif word == "--" then -- what follows are files
        elseif word ~= "-" and word:sub(1, 1) == "-" then
            error("jit.bcsave: no option " .. word .. " but -e, -g, -n NAME, -s and -t raw", 2)
        else words[#words + 1] = word
        end
        i = i + 1
    end
    if #words ~= 2 then error("jit.bcsave: an input and an output file are needed", 2) end
    local chunk, err = bytecode_of(words[1], name, is_text)
    if not chunk then error("jit.bcsave: " .. err, 2) end
    local out = words[2] == "-" and io.stdout or assert(io.open(words[2], "wb"))
    out:write(string.dump(chunk, strips))
    if out ~= io.stdout then out:close() end
end

return { start = start }
