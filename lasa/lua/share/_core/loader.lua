-- require, dofile and package.loaders: Lua's own, but a module may wait while it is loaded.

local core = ...

local native = core.native.loader
local wait = core.wait
local error, getenv, ipairs, loadfile, loadstring, pcall, select, type =
    error, os.getenv, ipairs, loadfile, loadstring, pcall, select, type
local concat, find, match, sub = table.concat, string.find, string.match, string.sub
local package = package
local searchpath = package.searchpath
local load_c, load_c_root = package.loaders[3], package.loaders[4]

-- ---- where modules are ----------------------------------------------------------------------------------------------

-- The folders that nobody has named, LuaJIT's own and the system's, come behind lasa's modules, as they come behind
-- OpenResty's: what a distribution has there is made for its nginx.

-- Return the part of package.path, or of package.cpath, that the environment's variable does not name.
local function default_of(key, variable)
    local named = getenv(variable .. "_5_1") or getenv(variable)
    if not named then return package[key] end
    local first, last = find(named, ";;", 1, true)
    if not first then return "" end
    return sub(package[key], first + 1, last - #named - 2)
end

-- Add folders to the default, and return a function that cuts the path, as it is now, into what comes before lasa's own
-- modules and what comes behind them.
local function cutter(key, variable, names, folders)
    local default = default_of(key, variable)
    local behind = default
    for _, folder in ipairs(folders) do
        for _, name in ipairs(names) do
            local template = folder .. name
            if not find(package[key], template, 1, true) then
                behind = behind == "" and template or behind .. ";" .. template
            end
        end
    end
    local path = package[key]
    local first, last = find(path, default, 1, true)
    if default == "" then first, last = #path + 1, #path end
    local before = sub(path, 1, first - 1)
    if before ~= "" and sub(before, -1) ~= ";" then before = before .. ";" end
    package[key] = before .. behind .. sub(path, last + 1)

    local cut, named
    return function()
        path = package[key]
        if type(path) ~= "string" then error("'package." .. key .. "' must be a string", 0) end
        if path ~= cut then
            first, last = find(path, behind, 1, true)
            cut, named = path, first and sub(path, 1, first - 1) .. ";" .. sub(path, last + 1) or path
        end
        return named, first and behind or ""
    end
end

local parts_of_path = cutter("path", "LUA_PATH", { "/?.lua", "/?/init.lua" },
    { "/usr/local/share/lua/5.1", "/usr/share/lua/5.1" })
local parts_of_cpath = cutter("cpath", "LUA_CPATH", { "/?.so" },
    { "/usr/local/lib/lua/5.1", "/usr/lib/x86_64-linux-gnu/lua/5.1", "/usr/lib/lua/5.1" })
if core.path ~= "" then package.path = core.path .. ";" .. package.path end

-- ---- lasa's own modules ---------------------------------------------------------------------------------------------

local made = {} -- name -> what a file of the share folder has returned
local require_ours

-- Return the loader of a module of the runtime or of the share folder, nil if there is none of that name. Files get a
-- second argument: a require for lasa's own, whatever a script has under their names.
local function ours(name)
    local module = core.modules[name]
    if module ~= nil then
        return function() return module end
    end
    local source, file = native.source(name)
    if not source then return nil end
    local chunk, err = loadstring(source, "@" .. file)
    if not chunk then error(err, 0) end
    return function()
        made[name] = chunk(name, require_ours)
        return made[name]
    end
end

function require_ours(name)
    if made[name] == nil then return ours(name)() end
    return made[name]
end

-- ---- package.loaders ------------------------------------------------------------------------------------------------

local function find_of_host(name)
    if not native.has_module(name) then return nil end
    return function() return wait(native.module, name) end
end

-- Whether lasa's module goes before a file on the path: where that is a part of lua-resty-core, which calls the C
-- functions of nginx's Lua module and cannot run here.
local function is_replaced(name, file)
    if not (ours(name) or core.absent_modules[name]) then return false end
    if name == "resty.core" or match(name, "^resty%.core%.") then return true end
    local opened = io.open(file, "rb")
    local text = opened and opened:read("*a") or ""
    if opened then opened:close() end
    return find(text, "ngx_http_lua_ffi_", 1, true) or match(name, "^ngx%.") and find(text, "resty%.core")
end

local function load_file(name, path)
    local file, tried = searchpath(name, path)
    if not file then return tried end
    if is_replaced(name, file) then return nil end
    local chunk, err = loadfile(file)
    if not chunk then error("error loading module '" .. name .. "' from file '" .. file .. "':\n\t" .. err, 0) end
    return chunk
end

local function find_file(name) return load_file(name, (parts_of_path())) end

local function find_ours(name)
    return ours(name) or "\n\tno module '" .. name .. "' of lasa's"
end

local function find_file_behind(name) return load_file(name, (select(2, parts_of_path()))) end

-- LuaJIT's own loader, for one part of package.cpath.
local function find_c(loader, part)
    return function(name)
        local path = select(part, parts_of_cpath())
        -- C modules look for Lua's own C functions among the global symbols.
        if searchpath(match(name, "^[^.]*"), path) or searchpath(name, path) then native.promote() end
        local all = package.cpath
        package.cpath = path
        local ok, found = pcall(loader, name)
        package.cpath = all
        if not ok then error(found, 0) end
        return found
    end
end

local function find_own_c(name)
    local found = find_c(load_c, 1)(name)
    if type(found) == "function" then return found end
    local root = find_c(load_c_root, 1)(name)
    return type(root) == "function" and root or found
end

package.loaders[2] = find_of_host
package.loaders[3] = find_file
package.loaders[4] = find_own_c
package.loaders[5] = find_ours
package.loaders[6] = find_file_behind
package.loaders[7] = find_c(load_c, 2)
package.loaders[8] = find_c(load_c_root, 2)

-- ---- require and dofile ---------------------------------------------------------------------------------------------

local function check_name(name)
    if type(name) == "number" then return tostring(name) end
    if type(name) == "string" then return name end
    error("bad argument #1 to 'require' (string expected, got " .. core.type_name(name, name == nil and 0) .. ")", 3)
end

-- In Lua itself these two are functions of C, which an error blames without a place. So is xpcall, which stands between
-- them and a module's code, or a loader; and what blames the caller of require, or of dofile, is blamed on to that.
require, dofile, core.unmark_module = core.without_lines([[
    local package, check_name, await, begin, finish, loadfile, failed, concat, sub = ...
    local error, ipairs, type, xpcall = error, ipairs, type, xpcall
    local loaded = package.loaded

    local function LOADING() end -- stands in package.loaded while a module is being loaded; module() replaces no table

    local function passed(ok, value, ...)
        if ok then return value, ... end
        if type(value) == "string" and sub(value, 1, 5) == "?:0: " then error(sub(value, 6), 3) end
        error(value, 0)
    end

    local function require(name)
        name = check_name(name)
        local module, chunk = loaded[name], nil
        while module == LOADING or not (module or chunk) do
            if module == LOADING and not await(name) then
                error("loop or previous error loading module '" .. name .. "'", 2)
            elseif module ~= LOADING then
                local tried = {}
                for _, loader in ipairs(package.loaders) do -- which may wait
                    chunk = passed(xpcall(loader, failed, name))
                    if type(chunk) == "function" then break end
                    if type(chunk) == "string" then tried[#tried + 1] = chunk end
                    chunk = nil
                end
                if not chunk then error("module '" .. name .. "' not found:" .. concat(tried), 2) end
            end
            module = loaded[name]
        end
        if module then return module end
        loaded[name] = LOADING
        begin(name)
        local ok, value = xpcall(chunk, failed, name)
        finish(name)
        local result = passed(ok, value)
        if result ~= nil then loaded[name] = result end
        if loaded[name] == LOADING then loaded[name] = true end
        return loaded[name]
    end

    local function over(...) return ... end

    local function dofile(...)
        local chunk, err = loadfile(...)
        if not chunk then error(err, 0) end
        return over(passed(xpcall(chunk, failed))) -- no tail call, or error() above would blame the caller's caller
    end

    local function unmark(name)
        if loaded[name] == LOADING then loaded[name] = nil end
    end

    return require, dofile, unmark
]], package, check_name, core.await_module, core.begin_module, core.end_module, loadfile, core.failed, concat, sub)
