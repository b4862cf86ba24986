-- require, dofile and package.loaders: Lua's own, but a module may wait while it is loaded.

local core = ...

local native = core.native.loader
local wait = core.wait
local error, ipairs, loadfile, select, type = error, ipairs, loadfile, select, type
local package = package
local loaded = package.loaded
local load_c, load_c_root = package.loaders[3], package.loaders[4]

local function LOADING() end -- stands in package.loaded while a module is being loaded; module() replaces no table

if core.path ~= "" then package.path = core.path .. ";" .. package.path end
for _, folder in ipairs { "/usr/local/share/lua/5.1", "/usr/share/lua/5.1" } do
    if not package.path:find(folder .. "/?.lua", 1, true) then
        package.path = package.path .. ";" .. folder .. "/?.lua;" .. folder .. "/?/init.lua"
    end
end
for _, folder in ipairs { "/usr/local/lib/lua/5.1", "/usr/lib/x86_64-linux-gnu/lua/5.1", "/usr/lib/lua/5.1" } do
    if not package.cpath:find(folder .. "/?.so", 1, true) then
        package.cpath = package.cpath .. ";" .. folder .. "/?.so"
    end
end

-- Modules of the runtime, of the host, and of the share folder.
local function find_ours(name)
    local module = core.modules[name]
    if module ~= nil then
        return function() return module end
    end
    if native.has_module(name) then
        return function() return wait(native.module, name) end
    end
    local source, file = native.source(name)
    if source then
        local chunk, err = loadstring(source, "@" .. file)
        return chunk or error(err, 0)
    end
    return "\n\tno module '" .. name .. "' of lasa's"
end

local function find_c(loader)
    return function(name)
        -- C modules look for Lua's own C functions among the global symbols.
        if package.searchpath(name:match("^[^.]*"), package.cpath) or package.searchpath(name, package.cpath) then
            native.promote()
        end
        return loader(name)
    end
end

table.insert(package.loaders, 2, find_ours)
package.loaders[4] = find_c(load_c)
package.loaders[5] = find_c(load_c_root)

local function find(name)
    local tried = {}
    for _, loader in ipairs(package.loaders) do
        local chunk = loader(name)
        if type(chunk) == "function" then return chunk end
        if type(chunk) == "string" then tried[#tried + 1] = chunk end
    end
    error("module '" .. name .. "' not found:" .. table.concat(tried), 3)
end

function require(name)
    if type(name) == "number" then name = tostring(name) end
    if type(name) ~= "string" then
        error("bad argument #1 to 'require' (string expected, got " .. core.type_name(name, name == nil and 0) .. ")", 2)
    end
    local module = loaded[name]
    if module == LOADING then error("loop or previous error loading module '" .. name .. "'", 2) end
    if module then return module end
    local chunk = find(name)
    loaded[name] = LOADING
    local result = chunk(name)
    if result ~= nil then loaded[name] = result end
    if loaded[name] == LOADING then loaded[name] = true end
    return loaded[name]
end

function dofile(...)
    local chunk, err = loadfile(...)
    if not chunk then error(err, 0) end
    return chunk()
end
