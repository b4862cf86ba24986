-- resty.lock: a lock under a name, held in a shared dictionary, for which light threads wait by asking again and again.
-- Source: lua-resty-lock.
--
-- A lock whose object is collected is given up. The collector may run while the Lua state is being closed, when the
-- dictionary is out of reach; so it only notes the lock, and whoever next wants one deletes it.

local ngx = ngx
local max, min = math.max, math.min
local getmetatable, newproxy, setmetatable = getmetatable, newproxy, setmetatable

local MIN_STEP_S = 0.001

local _M = { _VERSION = "0.09" }
local meta = { __index = _M }

local given_up = {} -- what collected objects held: {dict, key, until_s}
local given_up_count = 0

local function delete_given_up()
    while given_up_count > 0 do
        local held = given_up[given_up_count]
        given_up[given_up_count] = nil
        given_up_count = given_up_count - 1
        -- One that has expired may be somebody else's by now.
        if held.until_s > ngx.now() then
            local ok, err = held.dict:delete(held.key)
            if not ok then ngx.log(ngx.ERR, 'failed to delete key "', held.key, '": ', err) end
        end
    end
end

-- Return something that notes `held` as given up when it is collected.
local function new_guard(held)
    local guard = newproxy(true)
    getmetatable(guard).__gc = function()
        if held.key ~= nil then
            given_up_count = given_up_count + 1
            given_up[given_up_count] = held
        end
    end
    return guard
end

local function until_s(exptime_s)
    return exptime_s > 0 and ngx.now() + exptime_s or math.huge
end

-- Make a lock object, which can hold one lock at a time, in ngx.shared[dict_name].
-- Options, in seconds but for the ratio: exptime (30) after which a lock is gone; timeout (5) to wait at most, no
-- longer than exptime; step (0.001), the first pause between two tries, ratio (2), by which it grows, max_step (0.5).
function _M.new(self, dict_name, opts)
    local dict = ngx.shared[dict_name]
    if not dict then return nil, "dictionary not found" end
    opts = opts or {}
    local exptime, timeout, step = opts.exptime or 30, opts.timeout, opts.step
    if timeout then
        timeout = min(timeout, exptime)
        step = step and min(step, timeout)
    end
    local held = { dict = dict }
    return setmetatable({
        dict = dict,
        held = held,
        guard = new_guard(held),
        timeout = timeout or 5,
        exptime = exptime,
        step = step or MIN_STEP_S,
        ratio = opts.ratio or 2,
        max_step = opts.max_step or 0.5,
    }, meta)
end

-- One try: true; false when somebody else has it; nil and an error of the dictionary.
local function try(self, key)
    delete_given_up()
    local ok, err = self.dict:add(key, true, self.exptime)
    if ok then
        self.held.key, self.held.until_s = key, until_s(self.exptime)
        return true
    end
    if err == "exists" then return false end
    return nil, err
end

-- Take the lock of that name. Returns the seconds spent in pauses, or nil and "timeout", "locked" (the object holds a
-- lock already), "nil key" or an error of the dictionary.
function _M.lock(self, key)
    if not key then return nil, "nil key" end
    if self.held.key ~= nil then return nil, "locked" end
    local elapsed_s, left_s, step_s = 0, self.timeout, self.step
    while true do
        local is_mine, err = try(self, key)
        if is_mine then return elapsed_s end
        if is_mine == nil then return nil, err end
        if left_s <= 0 then return nil, "timeout" end
        ngx.sleep(step_s)
        elapsed_s = elapsed_s + step_s
        left_s = left_s - step_s
        step_s = min(max(MIN_STEP_S, step_s * self.ratio), left_s, self.max_step)
    end
end

-- Give the lock back. Returns 1, or nil and "unlocked" or an error of the dictionary.
function _M.unlock(self)
    local held = self.held
    if held.key == nil then return nil, "unlocked" end
    local ok, err = held.dict:delete(held.key)
    if not ok then return nil, err end
    held.key = nil
    return 1
end

-- Let the lock go on for `time` seconds from now (the exptime of new()). Returns true, or nil and "unlocked" or an
-- error of the dictionary.
function _M.expire(self, time)
    local held = self.held
    if held.key == nil then return nil, "unlocked" end
    time = time or self.exptime
    local ok, err = held.dict:replace(held.key, true, time)
    if not ok then return nil, err end
    held.until_s = until_s(time)
    return true
end

return _M
