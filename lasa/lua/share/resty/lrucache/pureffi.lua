-- resty.lrucache.pureffi: resty.lrucache with its keys as text. Source: lua-resty-lrucache, where this is a second
-- cache of its own, for keys that change often; here one serves both.

local lrucache = (select(2, ...) or require) "resty.lrucache"

local setmetatable, tostring = setmetatable, tostring

local NIL = {} -- is kept for nil, which is a value like others here

local _M = {
    _VERSION = "0.13",
    count = lrucache.count,
    capacity = lrucache.capacity,
    get_keys = lrucache.get_keys,
    flush_all = lrucache.flush_all,
}
local meta = { __index = _M }

-- `load_factor`, the density of the hash table there, is of no use here.
function _M.new(max_items, load_factor)
    local cache, err = lrucache.new(max_items)
    if not cache then return nil, err end
    return setmetatable(cache, meta)
end

function _M.get(self, key)
    local value, stale, flags = lrucache.get(self, tostring(key))
    if not flags then return nil end
    if value == NIL then value = nil end
    if stale == NIL then stale = nil end
    return value, stale, flags
end

function _M.set(self, key, value, ttl, flags)
    if value == nil then value = NIL end
    lrucache.set(self, tostring(key), value, ttl, flags)
end

function _M.delete(self, key) return lrucache.delete(self, tostring(key)) end

return _M
