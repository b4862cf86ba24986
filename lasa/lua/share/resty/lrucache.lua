-- resty.lrucache: a cache of Lua values that forgets the least recently used first. Source: lua-resty-lrucache.
--
-- A key has a slot, a small number under which the arrays below keep what belongs to it. The slots in use are a ring
-- through slot 0, most recently used first: after[0] is the newest, before[0] the one to be forgotten next.

local ngx = ngx
local error, floor, setmetatable, tostring, type = error, math.floor, setmetatable, tostring, type

local MAX_FLAGS = 2 ^ 32 -- flags are 32 bits

local _M = { _VERSION = "0.14" }
local meta = { __index = _M }

local function set_empty(self)
    self.slot_of = {} -- key -> slot
    self.keys = {} -- slot -> key, and so on
    self.values = {}
    self.expires_at = {} -- seconds as ngx.now() has them; -1 for never
    self.flags = {}
    self.after = { [0] = 0 }
    self.before = { [0] = 0 }
    self.free = {} -- slots that delete() gave back
    self.free_count = 0
    self.slot_count = 0
    self.num_items = 0
end

local function take_out(self, slot)
    local after, before = self.after, self.before
    local next_slot, last_slot = after[slot], before[slot]
    after[last_slot] = next_slot
    before[next_slot] = last_slot
end

local function put_first(self, slot)
    local after, before = self.after, self.before
    local first = after[0]
    after[slot], before[slot] = first, 0
    before[first] = slot
    after[0] = slot
end

-- Return a slot that is in no ring: a free one, a new one, or that of the key which is forgotten for it.
local function take_slot(self)
    local count = self.free_count
    if count > 0 then
        self.free_count = count - 1
        self.num_items = self.num_items + 1
        return self.free[count]
    end
    if self.slot_count < self.max_items then
        self.slot_count = self.slot_count + 1
        self.num_items = self.num_items + 1
        return self.slot_count
    end
    local slot = self.before[0]
    self.slot_of[self.keys[slot]] = nil
    take_out(self, slot)
    return slot
end

-- Return a cache for so many keys; nil and an error if that is less than one.
function _M.new(max_items)
    if max_items < 1 then return nil, "size too small" end
    local self = setmetatable({ max_items = floor(max_items) }, meta)
    set_empty(self)
    return self
end

-- Keep `value` under `key`, for `ttl` seconds or for good, together with a number in `flags`.
function _M.set(self, key, value, ttl, flags)
    if key == nil or key ~= key then error("a key cannot be " .. tostring(key), 2) end
    local slot = self.slot_of[key]
    if slot then
        take_out(self, slot)
    else
        slot = take_slot(self)
        self.slot_of[key] = slot
        self.keys[slot] = key
    end
    put_first(self, slot)
    self.values[slot] = value
    self.expires_at[slot] = ttl and ngx.now() + ttl or -1
    self.flags[slot] = type(flags) == "number" and flags >= 0 and floor(flags) % MAX_FLAGS or 0
end

-- Return value, nil and flags; nil, the old value and flags once it has expired; nil if there is none.
function _M.get(self, key)
    local slot = self.slot_of[key]
    if not slot then return nil end
    local value = self.values[slot]
    if value == nil then return nil end
    if self.after[0] ~= slot then
        take_out(self, slot)
        put_first(self, slot)
    end
    local expires_at = self.expires_at[slot]
    if expires_at >= 0 and expires_at < ngx.now() then return nil, value, self.flags[slot] end
    return value, nil, self.flags[slot]
end

-- Forget a key; tells whether it was there.
function _M.delete(self, key)
    local slot = self.slot_of[key]
    if not slot then return false end
    self.slot_of[key] = nil
    self.keys[slot], self.values[slot] = false, nil
    take_out(self, slot)
    self.free_count = self.free_count + 1
    self.free[self.free_count] = slot
    self.num_items = self.num_items - 1
    return true
end

-- How many keys there are, expired ones too.
function _M.count(self) return self.num_items end

function _M.capacity(self) return self.max_items end

-- Return the keys, most recently used first: at most `max_count` (nil or 0: all), in the table `res` if given, where a
-- nil follows the last.
function _M.get_keys(self, max_count, res)
    if not max_count or max_count == 0 then max_count = self.num_items end
    res = res or {}
    local n, slot = 0, self.after[0]
    while slot ~= 0 and n < max_count do
        n = n + 1
        res[n] = self.keys[slot]
        slot = self.after[slot]
    end
    res[n + 1] = nil
    return res
end

-- Forget all.
function _M.flush_all(self) set_empty(self) end

return _M
