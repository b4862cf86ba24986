-- both
local ffi = require "ffi"
pcall(ffi.cdef, [[
intptr_t ngx_hextoi(unsigned char *line, size_t n);
intptr_t ngx_atoi(unsigned char *line, size_t n);
intptr_t ngx_atosz(unsigned char *line, size_t n);
intptr_t ngx_atofp(unsigned char *line, size_t n, size_t point);
unsigned char *ngx_hex_dump(unsigned char *dst, unsigned char *src, size_t len);
uint32_t ngx_murmur_hash2(unsigned char *data, size_t len);
uintptr_t ngx_hash_key(unsigned char *data, size_t len);
uintptr_t ngx_hash_key_lc(unsigned char *data, size_t len);
uintptr_t ngx_hash_strlow(unsigned char *dst, unsigned char *src, size_t n);
intptr_t ngx_strcasecmp(unsigned char *s1, unsigned char *s2);
intptr_t ngx_strncasecmp(unsigned char *s1, unsigned char *s2, size_t n);
uintptr_t ngx_escape_uri(unsigned char *dst, unsigned char *src, size_t size, unsigned int type);
unsigned char *ngx_http_time(unsigned char *buf, long t);
unsigned char *ngx_http_cookie_time(unsigned char *buf, long t);
const void *TLS_method(void);
const void *EVP_sha256(void);
const char *zlibVersion(void);
char *crypt(const char *key, const char *salt);
int no_such_function_at_all(void);
]])
local C = ffi.C
local function bytes(text) return ffi.cast("unsigned char *", text) end

for _, text in ipairs { "ff", "FF", "0", "", "fg", "-1", " 1", "7fffffffffff", "7fffffffffffffff", "8000000000000000",
    "0000000000000000000001", "0x1", "12345678" } do
    ngx.say(text, " ", tonumber(C.ngx_hextoi(bytes(text), #text)))
end
for _, text in ipairs { "32", "007", "", "-5", "5a", "1.5", "1.55", "1.", ".5", ".", "1..2" } do
    ngx.say(text, " ", tonumber(C.ngx_atoi(bytes(text), #text)), " ", tonumber(C.ngx_atosz(bytes(text), #text)), " ",
        tonumber(C.ngx_atofp(bytes(text), #text, 2)))
end
for _, text in ipairs { "", "a", "ab", "abc", "abcd", "abcde", "Hello, World", ("\255"):rep(9), "\0\1\2\3\4" } do
    local lower = ffi.new("unsigned char[32]")
    ngx.say(tonumber(C.ngx_murmur_hash2(bytes(text), #text)), " ", tostring(C.ngx_hash_key(bytes(text), #text)), " ",
        tostring(C.ngx_hash_key_lc(bytes(text), #text)), " ", tostring(C.ngx_hash_strlow(lower, bytes(text), #text)), " ",
        ffi.string(lower, #text) == text:lower())
end
local function sign(n) n = tonumber(n) return n > 0 and 1 or n < 0 and -1 or 0 end
for _, pair in ipairs { { "abc", "ABC" }, { "abc", "abd" }, { "b", "A" }, { "ab", "abc" }, { "", "" } } do
    ngx.say(sign(C.ngx_strcasecmp(bytes(pair[1]), bytes(pair[2]))), " ",
        sign(C.ngx_strncasecmp(bytes(pair[1]), bytes(pair[2]), 2)))
end
local buffer = ffi.new("unsigned char[100]")
ngx.say(ffi.string(buffer, C.ngx_hex_dump(buffer, bytes("a\255"), 2) - buffer))
ngx.say(ffi.string(buffer, C.ngx_http_time(buffer, 1600000000) - buffer))
ngx.say(ffi.string(buffer, C.ngx_http_cookie_time(buffer, 1600000000) - buffer))
ngx.say(tonumber(C.ngx_escape_uri(nil, bytes("a b?c"), 5, 0)))
C.ngx_escape_uri(buffer, bytes("a b?c"), 5, 0)
ngx.say(ffi.string(buffer, 9))
ngx.say(C.TLS_method() ~= nil, " ", C.EVP_sha256() ~= nil, " ", ffi.string(C.crypt("secret", "ab")), " ",
    #ffi.string(C.zlibVersion()) > 0)
ngx.say((select(2, pcall(function() return C.no_such_function_at_all() end)):match("undefined symbol: .*$")))
ngx.say((select(2, pcall(function() return C.not_declared() end)):match("missing declaration.*$")))
