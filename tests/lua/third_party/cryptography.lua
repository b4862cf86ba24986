-- lua-resty-string: what it takes from nginx (hexadecimal digits) and from nginx's libcrypto, by ffi.

local PREFIX = arg[1]

local case, equal = require "cases" ()

-- The library's own modules, not those that the runtime has under the same names.
for _, name in ipairs { "string", "md5", "sha", "sha1", "sha224", "sha256", "sha384", "sha512", "aes", "random" } do
    package.preload[PREFIX .. name] = loadfile(assert(package.searchpath(PREFIX .. name, package.path)))
end

local function load(name) return require(PREFIX .. name) end

local to_hex = load "string".to_hex

case("bytes as hexadecimal digits, digits as a number", function()
    local str = load "string"
    equal(str.to_hex("\0\1\171\255hello"), "0001abff68656c6c6f")
    equal(str.to_hex(""), "")
    equal(str.atoi("12345"), 12345)
    equal(str.atoi("0"), 0)
    equal(str.atoi("12x"), -1)
    equal(str.atoi(""), -1)
end)

local OF_ABC = {
    md5 = "900150983cd24fb0d6963f7d28e17f72",
    sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d",
    sha224 = "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    sha384 = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        .. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
}

for _, name in ipairs { "md5", "sha1", "sha224", "sha256", "sha384", "sha512" } do
    case(name .. " in pieces, and once more after a reset", function()
        local digest = load(name):new()
        equal(digest:update("a"), true)
        equal(digest:update("bc"), true)
        equal(to_hex(digest:final()), OF_ABC[name])
        equal(digest:reset(), true)
        digest:update("abc")
        equal(to_hex(digest:final()), OF_ABC[name])
    end)
end

case("aes by a password, and by a key with an initial vector", function()
    local aes = load "aes"
    local cipher = assert(aes:new("secret"))
    equal(cipher:decrypt(cipher:encrypt("hello \0 world")), "hello \0 world")
    local other = assert(aes:new("another"))
    equal(other:decrypt(cipher:encrypt("hello")), nil)
    local exact = assert(aes:new(("k"):rep(32), nil, aes.cipher(256, "cbc"), { iv = ("i"):rep(16) }))
    equal(to_hex(exact:encrypt("hello")), "691c9738822127306187e06d85f16cb7")
end)

case("random bytes", function()
    local random = load "random"
    equal(#random.bytes(16), 16)
    equal(#random.bytes(16, true), 16)
    equal(random.bytes(16) ~= random.bytes(16), true)
end)
