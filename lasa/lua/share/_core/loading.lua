-- Which modules are being loaded, by which light thread, and which ones wait for them: a module may wait while it is loaded, and a second
-- light thread that requires it waits for the first. Where none could ever go on, the last to wait is told so.

local core = ...

local native = core.native.semaphores
local wait, current = core.wait, core.current
local next = next

local FOREVER_S = 1e9

local loadings = {} -- name -> { owner = record, waiters = number, done = semaphore }
local waiters = 0 -- of all modules

-- A record's: loads (how many modules it is loading), awaits (a loading), waits_on (records, of which one has to end).

-- Whether `record` can go on only when `me` has.
local function depends_on(record, me, depth)
    if record == me then return true end
    if record.over or depth > 100 then return false end
    local loading = record.awaits
    if loading then return depends_on(loading.owner, me, depth + 1) end
    local others = record.waits_on
    if not others then return false end
    for i = 1, #others do
        if not depends_on(others[i], me, depth + 1) then return false end
    end
    return true
end

local function wake(loading)
    if loading.waiters > 0 then native.post(loading.done, loading.waiters) end
end

-- Wait until a module is loaded, or is not going to be. Returns false where that cannot come: a circle, or a module
-- whose code has failed.
function core.await_module(name)
    local me = current()
    local loading = loadings[name]
    if not loading or depends_on(loading.owner, me, 0) then return false end
    if not loading.done then loading.done = native.new(0) end
    loading.waiters = loading.waiters + 1
    waiters = waiters + 1
    me.awaits = loading
    wait(native.wait, loading.done, FOREVER_S)
    core.awaits_no_more(me)
    return true
end

function core.awaits_no_more(record)
    local loading = record.awaits
    record.awaits = nil
    loading.waiters = loading.waiters - 1
    waiters = waiters - 1
end

function core.begin_module(name)
    local me = current()
    if not me then return end -- the runtime's own, at its start
    me.loads = (me.loads or 0) + 1
    loadings[name] = { owner = me, waiters = 0 }
end

-- A module's code has run to its end, or has failed.
function core.end_module(name)
    local loading = loadings[name]
    if not loading then return end
    loadings[name] = nil
    local owner = loading.owner
    owner.loads = owner.loads - 1
    wake(loading)
end

-- A light thread has ended in the middle of a module, killed for one: the next who wants the module loads it anew.
function core.forget_modules(record)
    for name, loading in next, loadings do
        if loading.owner == record then
            loadings[name] = nil
            core.unmark_module(name)
            wake(loading)
        end
    end
end

-- A light thread is about to wait for others: those that wait for a module look once more whether it can come.
function core.waits_on(records)
    current().waits_on = records
    if waiters == 0 then return end
    for _, loading in next, loadings do wake(loading) end
end

function core.waits_no_more() current().waits_on = nil end
