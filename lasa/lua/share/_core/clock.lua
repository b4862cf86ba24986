-- Time: ngx.now and its like, the dates of HTTP, lasa.now and lasa.monotonictime. (Sleeping is a light thread's.)
-- All clocks are read when they are asked: nginx's are as old as its last trip through the event loop.
-- Source: OpenResty's manual; what counts as a date is what nginx reads as one.

local core = ...

local ffi = require "ffi"
local C = ffi.C
local date, error, floor, tonumber, type = os.date, error, math.floor, tonumber, type
local find, format, match = string.find, string.format, string.match
local ngx, lasa = core.ngx, core.lasa

-- Under a name of our own, so that a script may declare clock_gettime as it likes.
ffi.cdef [[
    int lasa_clock_gettime(int clock, void *time) __asm__("clock_gettime");
    struct lasa_timespec { long seconds; long nanoseconds; };
]]
local REALTIME = 0
local MONOTONIC = jit.os == "OSX" and 6 or 1
local read = ffi.new("struct lasa_timespec")

-- ---- clocks --------------------------------------------------------------------------------------------------------

local function gettime(clock)
    C.lasa_clock_gettime(clock, read)
    return tonumber(read.seconds), tonumber(read.nanoseconds)
end

-- Ask a function of Python's instead, which returns seconds: where the clock of the hub is another than the machine's.
function core.replace_clock(seconds_of)
    gettime = function(clock)
        local time = seconds_of(clock == MONOTONIC)
        return floor(time), time % 1 * 1000000000
    end
end

function ngx.now()
    local seconds, nanoseconds = gettime(REALTIME)
    return seconds + floor(nanoseconds / 1000000) / 1000
end

function ngx.time()
    local seconds = gettime(REALTIME)
    return seconds
end

function ngx.update_time() end -- there is nothing that could be out of date

function ngx.today() return date("%Y-%m-%d", ngx.time()) end

function ngx.localtime() return date("%Y-%m-%d %H:%M:%S", ngx.time()) end

function ngx.utctime() return date("!%Y-%m-%d %H:%M:%S", ngx.time()) end

function lasa.now()
    local seconds, nanoseconds = gettime(REALTIME)
    return seconds + nanoseconds / 1000000000
end

function lasa.monotonictime()
    local seconds, nanoseconds = gettime(MONOTONIC)
    return seconds * 1000000 + nanoseconds / 1000
end

lasa.update_time = ngx.update_time

-- ---- the dates of HTTP ---------------------------------------------------------------------------------------------

local DAY_S = 86400
local LAST_S = 253402300799 -- the last second of the year 9999
local WEEKDAYS = { [0] = "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- A year that begins in March has its leap day at its end, so the first day of each month follows from its number:
-- five months have 153 days. Cycles of 400 years have 146097. Day 0 is 1970-01-01, 719468 days after 0000-03-01.

local function days_until(year, month, day)
    if month <= 2 then year, month = year - 1, month + 12 end
    local leap_days = floor(year / 4) - floor(year / 100) + floor(year / 400)
    return year * 365 + leap_days + floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
end

local function date_of(days)
    days = days + 719468
    local cycle = floor(days / 146097)
    local in_cycle = days - cycle * 146097
    local year = floor((in_cycle - floor(in_cycle / 1460) + floor(in_cycle / 36524) - floor(in_cycle / 146096)) / 365)
    local in_year = in_cycle - (year * 365 + floor(year / 4) - floor(year / 100))
    local month = floor((5 * in_year + 2) / 153)
    local day = in_year - floor((153 * month + 2) / 5) + 1
    month = month + 3
    year = year + cycle * 400
    if month > 12 then year, month = year + 1, month - 12 end
    return year, month, day
end

-- Returns weekday, day, month, year, hour, minute and second; nginx knows nothing before 1970 or after 9999.
local function fields_of(seconds)
    seconds = seconds > 0 and floor(seconds < LAST_S and seconds or LAST_S) or 0
    local days = floor(seconds / DAY_S)
    local rest = seconds - days * DAY_S
    local year, month, day = date_of(days)
    return WEEKDAYS[(days + 4) % 7], day, MONTHS[month], year, floor(rest / 3600), floor(rest / 60) % 60, rest % 60
end

function ngx.http_time(seconds)
    if type(seconds) ~= "number" then error("number argument only", 2) end
    return format("%s, %02d %s %d %02d:%02d:%02d GMT", fields_of(seconds))
end

function ngx.cookie_time(seconds)
    if type(seconds) ~= "number" then error("number argument only", 2) end
    local weekday, day, month, year, hour, minute, second = fields_of(seconds)
    -- Two digits of a year are enough for as long as a 32-bit time lasts; old browsers wanted them.
    local pattern = "%s, %02d-%s-%02d %02d:%02d:%02d GMT"
    return format(pattern, weekday, day, month, year > 2037 and year or year % 100, hour, minute, second)
end

-- nginx tells months by as few letters as it can.
local function month_of(name)
    local first, second, third = match(name, "^(.)(.)(.)")
    if first == "J" then return second == "a" and 1 or third == "n" and 6 or 7 end
    if first == "F" then return 2 end
    if first == "M" then return third == "r" and 3 or 5 end
    if first == "A" then return second == "p" and 4 or 8 end
    if first == "S" then return 9 end
    if first == "O" then return 10 end
    if first == "N" then return 11 end
    if first == "D" then return 12 end
    return nil
end

-- Returns day, month, year, hour, minute and second as text, or nil.
local function split_date(s)
    -- A weekday and a comma come before RFC 1123's and RFC 850's dates, a weekday and a blank before asctime()'s.
    local _, last, separator = find(s, "^[^, ]*([, ]) *")
    if not separator then return nil end
    local from = last + 1
    if separator == " " then
        local month, day, hour, minute, second, year =
            match(s, "^(...). ?(%d%d?) (%d%d):(%d%d):(%d%d) (%d%d%d%d)", from)
        return day, month, year, hour, minute, second
    end
    local day, month, year, hour, minute, second =
        match(s, "^(%d%d) (...) (%d%d%d%d) (%d%d):(%d%d):(%d%d)", from)
    if day then return day, month, year, hour, minute, second end
    day, month, year, hour, minute, second = match(s, "^(%d%d)%-(...)%-(%d%d) (%d%d):(%d%d):(%d%d)", from)
    if not day then return nil end
    return day, month, (tonumber(year) < 70 and "20" or "19") .. year, hour, minute, second
end

function ngx.parse_http_time(s)
    if type(s) ~= "string" then error("string argument only", 2) end
    local day, month, year, hour, minute, second = split_date(s)
    month = day and month_of(month)
    if not month then return nil end
    day, year, hour, minute, second = tonumber(day), tonumber(year), tonumber(hour), tonumber(minute), tonumber(second)
    if hour > 23 or minute > 59 or second > 59 then return nil end
    local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
    if day > MONTH_DAYS[month] and not (day == 29 and month == 2 and is_leap) then return nil end
    return days_until(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second
end
