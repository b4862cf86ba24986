-- What OpenResty has and lasa has not, since it has no nginx behind it. A call that is always there in OpenResty is here
-- too and raises an error that says what to use instead, so that a script which asks `if ngx.location then` gets the
-- answer that it knows. A module that is newer than the version that lasa follows cannot be required: pcall(require,
-- name) says whether it is there.

local core = ...

local error, format, ipairs, setmetatable, tostring = error, string.format, ipairs, setmetatable, tostring
local ngx = core.ngx

local function complain(name, instead, level)
    error(format("%s is absent, since lasa has no nginx behind it: %s", name, instead), level)
end

local function absent(name, instead)
    return function() complain(name, instead, 3) end
end

core.absent = absent

-- The same for a call that has to do with a request.
local function absent_of_request(name, instead)
    return function()
        core.request_in(1, "no request object found")
        complain(name, instead, 3)
    end
end

-- A table each of whose fields is such a call.
local function absent_fields(name, instead)
    return setmetatable({}, {
        __index = function(_, field) return absent(name .. "." .. tostring(field), instead) end,
    })
end

-- ---- calls -----------------------------------------------------------------------------------------------------------

local OF_LOCATIONS = "send the request by lasa.http.client or lua-resty-http, or call the function that would answer it"

ngx.location = {
    capture = absent_of_request("ngx.location.capture", OF_LOCATIONS),
    capture_multi = absent_of_request("ngx.location.capture_multi", OF_LOCATIONS .. ", several in light threads"),
}
ngx.exec = absent_of_request("ngx.exec", "call the function that answers, or ngx.redirect")

-- Chunks of a body are there for filters only, which there are none of.
local OF_FILTERS = "what leaves is what ngx.print is given"
ngx.arg = setmetatable({}, {
    __index = function()
        core.request_of(1)
        complain("ngx.arg", OF_FILTERS, 3)
    end,
    __newindex = function()
        core.request_in(1)
        complain("ngx.arg", OF_FILTERS, 3)
    end,
})

ndk = { set_var = absent_fields("ndk.set_var", "ngx.* and the resty modules have what such directives compute") }

-- ---- modules ---------------------------------------------------------------------------------------------------------

local OF_CERTIFICATES = "certificates are files, given to sock:setclientcert or by the settings ssl_certificate and "
    .. "ssl_certificate_key, and to `lasa serve` by --ssl-cert and --ssl-key"

-- Those that are newer than the version that lasa follows; of_phases.lua and ssl.lua have the others.
local MODULES = {
    ["ngx.proxyssl"] = OF_CERTIFICATES,
    ["ngx.ssl.proxysslcert"] = OF_CERTIFICATES,
    ["ngx.ssl.proxysslverify"] = OF_CERTIFICATES,
}

core.absent_modules = MODULES

-- Behind everything: a file of that name may stand in for it.
package.loaders[#package.loaders + 1] = function(name)
    local instead = MODULES[name]
    if instead then complain("the module " .. name, instead, 0) end
    return nil
end

-- ---- inside of resty.core ------------------------------------------------------------------------------------------

local OF_PATTERNS = "ngx.re.* do what they are for, and ngx.re.split"
for _, name in ipairs {
    "re_match_compile", "re_sub_compile", "collect_captures", "check_buf_size", "destroy_compiled_regex",
} do
    core.modules["resty.core.regex"][name] = absent("resty.core.regex." .. name, OF_PATTERNS)
end
