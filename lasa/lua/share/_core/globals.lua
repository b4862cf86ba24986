-- What a script sees besides Lua's own: ngx and lasa. lupa's own table of Python's things is none of its business.

local core = ...

python, package.loaded.python = nil, nil
ngx = core.ngx
lasa = core.lasa
package.loaded.ngx = core.ngx
package.loaded.lasa = core.lasa
package.loaded.ndk = ndk
for name, module in pairs(core.modules) do -- OpenResty has loaded it before any script, and libraries ask for that
    if name:find "^resty%.core" then package.loaded[name] = module end
end

-- A script's own C calls find what they find in nginx's process: OpenSSL's functions, and some of nginx's.
local ffi = require "ffi"
core.ffi = ffi
package.loaded.ffi = nil
function package.preload.ffi()
    core.load_chunk "nginx_c"
    return ffi
end
