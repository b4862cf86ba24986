-- The binding of PCRE2 (libpcre2-8) through LuaJIT's ffi: patterns compiled, kept, matched and freed.
--
-- Matching calls the library straight from compiled Lua; Python only finds the library's file. The library is loaded
-- by the first pattern, so that a script without patterns does not pay for it. One block of match data serves all
-- patterns: what a match left in `captures` must be read before any code of the user runs again.
-- Source: pcre2api(3), pcre2jit(3).
--
-- Fills core.pcre with
--   compile(regex, opts)             a pattern, or nil and the error text; bad opts raise where ngx.re.* was called
--   exec(pattern, subject, start, seen)  the number of captures set plus 1, or PCRE2's negative error; start counts
--                                    from 0. The second result goes in as `seen` of the next match of that subject.
--   span(n)                          where capture n of the last match begins (from 0; negative: unset) and ends
--   hold(pattern), release(pattern)  around a time in which code of the user may run and push the pattern out
--   set_jit_stack(size), was_cached(), NO_MATCH

local core = ...

local bit = require("bit")
local ffi = require("ffi")

local band, bor = bit.band, bit.bor
local byte, format, sub = string.byte, string.format, string.sub
local error, next, pcall, tonumber = error, next, pcall, tonumber

-- Names of our own, so that a script's own declarations of PCRE2 cannot clash with these.
ffi.cdef([[
void *lasa_pcre2_compile(const char *, size_t, int32_t, int *, size_t *, void *) __asm__("pcre2_compile_8");
void lasa_pcre2_code_free(void *) __asm__("pcre2_code_free_8");
int lasa_pcre2_get_error_message(int, char *, size_t) __asm__("pcre2_get_error_message_8");
int lasa_pcre2_pattern_info(void *, uint32_t, void *) __asm__("pcre2_pattern_info_8");
int lasa_pcre2_jit_compile(void *, uint32_t) __asm__("pcre2_jit_compile_8");
void *lasa_pcre2_jit_stack_create(size_t, size_t, void *) __asm__("pcre2_jit_stack_create_8");
void lasa_pcre2_jit_stack_assign(void *, void *, void *) __asm__("pcre2_jit_stack_assign_8");
void lasa_pcre2_jit_stack_free(void *) __asm__("pcre2_jit_stack_free_8");
void *lasa_pcre2_match_context_create(void *) __asm__("pcre2_match_context_create_8");
void lasa_pcre2_match_context_free(void *) __asm__("pcre2_match_context_free_8");
int lasa_pcre2_set_match_limit(void *, uint32_t) __asm__("pcre2_set_match_limit_8");
int lasa_pcre2_set_heap_limit(void *, uint32_t) __asm__("pcre2_set_heap_limit_8");
void *lasa_pcre2_match_data_create(uint32_t, void *) __asm__("pcre2_match_data_create_8");
void lasa_pcre2_match_data_free(void *) __asm__("pcre2_match_data_free_8");
size_t *lasa_pcre2_get_ovector_pointer(void *) __asm__("pcre2_get_ovector_pointer_8");
int lasa_pcre2_match(void *, const char *, size_t, size_t, uint32_t, void *, void *) __asm__("pcre2_match_8");
int lasa_pcre2_dfa_match(void *, const char *, size_t, size_t, uint32_t, void *, void *, int *, size_t)
    __asm__("pcre2_dfa_match_8");
]])

local UTF, MATCH_INVALID_UTF, NO_UTF_CHECK = 0x00080000, 0x04000000, 0x40000000
local OPTION_BITS = {
    a = 0x80000000, -- ANCHORED
    D = 0x00000040, -- DUPNAMES
    i = 0x00000008, -- CASELESS
    J = 0x00000203, -- ALLOW_EMPTY_CLASS, ALT_BSUX, MATCH_UNSET_BACKREF
    m = 0x00000400, -- MULTILINE
    s = 0x00000020, -- DOTALL
    u = UTF,
    U = UTF,
    x = 0x00000080, -- EXTENDED
    d = 0,
    j = 0,
    o = 0,
}
local INFO_CAPTURECOUNT, INFO_NAMECOUNT, INFO_NAMEENTRYSIZE, INFO_NAMETABLE = 4, 17, 18, 19
local JIT_COMPLETE = 1
local NO_MATCH, FIRST_BAD_UTF8, LAST_BAD_UTF8, BAD_UTF_OFFSET = -1, -3, -23, -36

local MAX_PATTERNS = 1024
local MAX_ERROR_BYTES = 255
local DFA_WORKSPACE_SIZE = 100
local MIN_JIT_STACK_SIZE = 32 * 1024
local MATCH_LIMIT = 10000000 -- PCRE2's own default, whatever the library was built with
local HEAP_LIMIT_KIB = 128 * 1024 -- PCRE2's own default is 20 GB, and the match data keeps what a match took
-- The low half of a size_t of the vector; a Lua string is shorter than 2 GB, and an unset capture is -1.
local LOW = ffi.abi("le") and 0 or 1

local pcre = {}
local library -- nil until the first pattern
local context, data, captures, data_pairs, workspace, jit_stack

local error_code = ffi.new("int[1]")
local error_offset = ffi.new("size_t[1]")
local info = ffi.new("uint32_t[1]")

-- Make new match data. What the old one held of the last match is gone, and so is the memory that the match took.
local function make_room(pairs_needed)
    local made = library.lasa_pcre2_match_data_create(pairs_needed, nil)
    if made == nil then error("not enough memory", 0) end
    if data then library.lasa_pcre2_match_data_free(ffi.gc(data, nil)) end
    data, data_pairs = ffi.gc(made, library.lasa_pcre2_match_data_free), pairs_needed
    captures = ffi.cast("int32_t *", library.lasa_pcre2_get_ovector_pointer(data)) + LOW
end

local function load_library()
    local name = core.native.re.library()
    local loaded, found = pcall(ffi.load, name or "pcre2-8")
    if not loaded then
        error("ngx.re needs the PCRE2 library (libpcre2-8), which cannot be loaded"
            .. (name and " from " .. name or "") .. ": install it (Debian and Ubuntu: libpcre2-8-0)", 4)
    end
    library = found
    context = ffi.gc(library.lasa_pcre2_match_context_create(nil), library.lasa_pcre2_match_context_free)
    library.lasa_pcre2_set_match_limit(context, core.regex_match_limit or MATCH_LIMIT)
    pcall(function() library.lasa_pcre2_set_heap_limit(context, HEAP_LIMIT_KIB) end) -- absent before PCRE2 10.30
    workspace = ffi.new("int[?]", DFA_WORKSPACE_SIZE)
    make_room(16)
end

-- Options ----------------------------------------------------------------------------------------------------------

local parsed_opts = {}

local function parse(opts)
    local parsed = parsed_opts[opts]
    if parsed then return parsed end
    parsed = { bits = 0 }
    for i = 1, #opts do
        local letter = sub(opts, i, i)
        local bits = OPTION_BITS[letter]
        if not bits then error(format('unknown flag "%s" (flags "%s")', letter, opts), 4) end
        parsed.bits = bor(parsed.bits, bits)
        parsed[letter] = true
    end
    parsed_opts[opts] = parsed
    return parsed
end

-- The cache: every pattern is in one of two generations of at most half the entries each. A hit in the elder one
-- brings it over; when the younger one is full it becomes the elder one, and what was still in that is freed.
-- Option o asks for this cache; patterns without it are kept too, as nothing but the time shows it.

local young, elder, young_count = {}, {}, 0
local was_cached = false

local function free(pattern)
    library.lasa_pcre2_code_free(ffi.gc(pattern.code, nil))
    if pattern.lenient then library.lasa_pcre2_code_free(ffi.gc(pattern.lenient, nil)) end
    pattern.code, pattern.lenient = nil, nil
end

local function keep(opts, regex, pattern)
    if young_count == MAX_PATTERNS / 2 then
        for _, patterns in next, elder do
            for _, old in next, patterns do
                if old.users == 0 then free(old) else old.dropped = true end
            end
        end
        young, elder, young_count = {}, young, 0
    end
    local patterns = young[opts]
    if not patterns then
        patterns = {}
        young[opts] = patterns
    end
    patterns[regex] = pattern
    young_count = young_count + 1
end

local function bring_over(opts, regex)
    local patterns = elder[opts]
    local pattern = patterns and patterns[regex]
    if pattern then
        patterns[regex] = nil
        keep(opts, regex, pattern)
    end
    return pattern
end

-- Compiling --------------------------------------------------------------------------------------------------------

local function pattern_number(code, what)
    library.lasa_pcre2_pattern_info(code, what, info)
    return info[0]
end

local function compile_error(regex)
    local text = ffi.new("char[256]")
    library.lasa_pcre2_get_error_message(error_code[0], text, 256)
    local message = format('pcre2_compile() failed: %s in "%s"', ffi.string(text), regex)
    local offset = tonumber(error_offset[0])
    if offset < #regex then message = format('%s at "%s"', message, sub(regex, offset + 1)) end
    return sub(message, 1, MAX_ERROR_BYTES)
end

local function read_names(code)
    local count = pattern_number(code, INFO_NAMECOUNT)
    if count == 0 then return nil end
    local entry_size = pattern_number(code, INFO_NAMEENTRYSIZE)
    local pointer = ffi.new("const uint8_t *[1]")
    library.lasa_pcre2_pattern_info(code, INFO_NAMETABLE, pointer)
    local names = {}
    for i = 0, count - 1 do
        local entry = pointer[0] + i * entry_size
        names[i + 1] = { number = entry[0] * 256 + entry[1], name = ffi.string(entry + 2) }
    end
    return names
end

local function new_code(regex, bits, jit)
    local code = library.lasa_pcre2_compile(regex, #regex, bits, error_code, error_offset, nil)
    if code == nil then return nil end
    if jit then library.lasa_pcre2_jit_compile(code, JIT_COMPLETE) end -- if it cannot, the pattern is interpreted
    return ffi.gc(code, library.lasa_pcre2_code_free)
end

local function compile(opts, regex)
    if not library then load_library() end
    local parsed = parse(opts)
    local code = new_code(regex, parsed.bits, parsed.j)
    if not code then return nil, compile_error(regex) end
    local pattern = {
        code = code,
        regex = regex,
        parsed = parsed,
        utf = parsed.u or parsed.U or false,
        may_be_bad = parsed.U and not parsed.d or false,
        count = pattern_number(code, INFO_CAPTURECOUNT),
        names = read_names(code),
        duplicate_names = parsed.D or false,
        dfa = parsed.d or false,
        users = 0,
        dropped = false,
    }
    if pattern.dfa then pattern.count = 0 end
    if pattern.count >= data_pairs then make_room(pattern.count + 1) end
    if parsed.o then was_cached = true end
    keep(opts, regex, pattern)
    return pattern
end

function pcre.compile(regex, opts)
    opts = opts or ""
    local patterns = young[opts]
    local pattern = patterns and patterns[regex]
    if pattern then return pattern end
    pattern = bring_over(opts, regex)
    if pattern then return pattern end
    return compile(opts, regex)
end

function pcre.hold(pattern) pattern.users = pattern.users + 1 end

function pcre.release(pattern)
    pattern.users = pattern.users - 1
    if pattern.dropped and pattern.users == 0 then free(pattern) end
end

function pcre.was_cached() return was_cached end

-- Matching ---------------------------------------------------------------------------------------------------------

-- Option U wants no check of the subject's UTF-8; but bad UTF-8 matched unchecked is undefined behaviour. So a bad
-- subject gets a second form of the pattern, which takes bad bytes as something that nothing matches. (With option d
-- there is no such form, and U is the same as u.)
local function exec_lenient(pattern, subject, start)
    local lenient = pattern.lenient
    if not lenient then
        -- Always compiled: the interpreter looks for the next bad byte anew at each match, the machine code does not.
        lenient = new_code(pattern.regex, bor(pattern.parsed.bits, MATCH_INVALID_UTF), true)
        if not lenient then return FIRST_BAD_UTF8 end -- PCRE2 before 10.34
        pattern.lenient = lenient
    end
    return library.lasa_pcre2_match(lenient, subject, #subject, start, 0, data, context)
end

local function is_utf_error(result)
    return result <= FIRST_BAD_UTF8 and result >= LAST_BAD_UTF8 or result == BAD_UTF_OFFSET
end

local function is_inside_character(subject, start)
    local next_byte = byte(subject, start + 1)
    return next_byte and band(next_byte, 0xC0) == 0x80
end

function pcre.exec(pattern, subject, start, seen)
    local options = 0
    if seen and pattern.utf then
        if seen == "bad" then return exec_lenient(pattern, subject, start), seen end
        if not pattern.may_be_bad and is_inside_character(subject, start) then return BAD_UTF_OFFSET, seen end
        options = NO_UTF_CHECK -- checking the rest anew for each match would cost the square of the length
    end
    local result
    if pattern.dfa then
        result = library.lasa_pcre2_dfa_match(pattern.code, subject, #subject, start, options, data, context,
            workspace, DFA_WORKSPACE_SIZE)
        if result >= 0 then result = 1 end -- it counts matches of several lengths; the longest is the one
    else
        result = library.lasa_pcre2_match(pattern.code, subject, #subject, start, options, data, context)
    end
    if result < NO_MATCH then
        if pattern.may_be_bad and is_utf_error(result) then
            return exec_lenient(pattern, subject, start), "bad"
        end
        make_room(data_pairs) -- a match that ran into its limit leaves the most memory behind
    end
    return result, "good"
end

function pcre.span(n) return captures[4 * n], captures[4 * n + 2] end

function pcre.set_jit_stack(size)
    if not library then load_library() end
    if size < MIN_JIT_STACK_SIZE then size = MIN_JIT_STACK_SIZE end
    local stack = library.lasa_pcre2_jit_stack_create(MIN_JIT_STACK_SIZE, size, nil)
    if stack == nil then return false end
    library.lasa_pcre2_jit_stack_assign(context, nil, stack)
    jit_stack = ffi.gc(stack, library.lasa_pcre2_jit_stack_free) -- the one before is freed with its last reference
    return jit_stack ~= nil
end

pcre.NO_MATCH = NO_MATCH

core.pcre = pcre
