-- jit.p: where the time goes, by samples, as `luajit -jp` has it: start(mode, file), then stop() writes the table.
--
-- Letters of the mode: f function (the default), F module:function, l line, z zone, v state of the machine; i<number>,
-- milliseconds between samples; m<number>, the least percentage that is shown; r, counts and no percentages.
-- Source: LuaJIT, "Profiler".

local profile = require "jit.profile"
local zone = require "jit.zone"
local concat, sort = table.concat, table.sort
local floor, format, io, ipairs, pairs, tonumber = math.floor, string.format, io, ipairs, pairs, tonumber

local STATES = { N = "Compiled", I = "Interpreted", C = "C code", G = "Garbage Collector", J = "JIT Compiler" }
local SCOPES = { f = "f", F = "F", l = "l" }

local counts, total, interval_ms, least, is_raw -- counts is nil while it is off
local out

local function sampler(mode)
    local keys = {}
    for letter in mode:gmatch "[fFlzv]" do keys[#keys + 1] = letter end
    if #keys == 0 then keys[1] = "f" end
    return function(thread, samples, state)
        local names = {}
        for i, key in ipairs(keys) do
            if SCOPES[key] then
                names[i] = profile.dumpstack(thread, SCOPES[key], 1)
            elseif key == "z" then
                names[i] = zone:get() or "(none)"
            else
                names[i] = STATES[state] or state
            end
        end
        local name = concat(names, "  ")
        counts[name] = (counts[name] or 0) + samples
        total = total + samples
    end
end

local function write()
    local names = {}
    for name in pairs(counts) do names[#names + 1] = name end
    local of = counts
    sort(names, function(a, b) return of[a] > of[b] or of[a] == of[b] and a < b end)
    for _, name in ipairs(names) do
        local percent = floor(of[name] * 100 / total + 0.5)
        if percent < least then break end
        if is_raw then
            out:write(format("%s %d\n", name, of[name]))
        else
            out:write(format("%3d%%  %s\n", percent, name))
        end
    end
    if #names == 0 then out:write(format("[No samples collected, every %d ms]\n", interval_ms)) end
end

local function stop()
    if not counts then return end
    profile.stop()
    write()
    if out ~= io.stdout and out ~= io.stderr then out:close() end
    counts = nil
end

-- Sample from now on, and write what was found into a file, by default to stdout.
local function start(mode, name)
    stop()
    mode = mode or "f"
    interval_ms, least = tonumber(mode:match "i(%d+)") or 10, tonumber(mode:match "m(%d+)") or 3
    is_raw = mode:find "r" ~= nil
    out = (not name or name == "-") and io.stdout or assert(io.open(name, "w"))
    counts, total = {}, 0
    profile.start("l" .. "i" .. interval_ms, sampler(mode))
end

return { start = start, stop = stop }
