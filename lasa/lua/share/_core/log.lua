-- lasa.log: a line for the log under a tag, with Android's levels, as the seed has it.

local core = ...

local write = core.native.log.write
local error, floor, format, ipairs, tostring, type = error, math.floor, string.format, ipairs, tostring, type
local lasa = core.lasa

for level, name in ipairs { "DEFAULT", "VERBOSE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "SILENT" } do
    lasa["LOG_" .. name] = level
end
lasa.LOG_UNKNOWN = 0

function lasa.log(level, tag, message)
    if type(level) ~= "number" then
        error("bad argument #1 to 'log' (number expected, got " .. core.type_name(level, level == nil and 0) .. ")", 2)
    end
    if level < 0 or level > lasa.LOG_SILENT or level ~= floor(level) then
        error(format("bad argument #1 to 'log' (bad log level: %s)", core.number_text(level)), 2)
    end
    if type(tag) ~= "string" then
        error("bad argument #2 to 'log' (string expected, got " .. core.type_name(tag, tag == nil and 0) .. ")", 2)
    end
    write(level, tag, tostring(message))
end
