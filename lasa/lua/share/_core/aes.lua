-- resty.aes: AES in the modes that lua-resty-string declares, by the libcrypto that Python uses.
-- Source: lua-resty-string. What are pointers of C there (aes.hash.md5, the method of aes.cipher()) are names here.

local core = ...

local native = core.native.crypto
local encrypt, decrypt = native.encrypt, native.decrypt
local error, rep, setmetatable, sub, type = error, string.rep, setmetatable, string.sub, type

local METHODS = {} -- "EVP_aes_128_cbc" -> true
for _, size in ipairs { 128, 192, 256 } do
    for _, mode in ipairs { "ecb", "cbc", "cfb1", "cfb8", "cfb128", "ofb", "ctr", "gcm" } do
        METHODS["EVP_aes_" .. size .. "_" .. mode] = true
    end
end

local MAX_GCM_IV = 128 -- libcrypto's own limit, in bytes

local _M = { _VERSION = "0.17" }
local meta = { __index = _M }

_M.hash = { md5 = "md5", sha1 = "sha1", sha224 = "sha224", sha256 = "sha256", sha384 = "sha384", sha512 = "sha512" }

-- Return what new() takes as cipher: AES with keys of so many bits (128) in a mode ("cbc").
function _M.cipher(size, mode)
    size, mode = size or 128, mode or "cbc"
    local method = "EVP_aes_" .. size .. "_" .. mode
    if not METHODS[method] then error("missing declaration for symbol '" .. method .. "'", 2) end
    return { size = size, cipher = mode, method = method }
end

local function check_string(value, n, name, is_optional)
    if is_optional and value == nil then return end
    if type(value) ~= "string" then
        error("bad argument #" .. n .. " to '" .. name .. "' (string expected, got " .. type(value) .. ")", 3)
    end
end

-- Key and IV as the table `spec` gives them: {iv = …, method = function that makes the key of `key`}.
local function given(key, spec, key_size)
    local iv = spec.iv
    if not iv then return nil, "iv is needed" end
    if #iv > key_size then return nil, "bad iv length" end
    if spec.method then key = spec.method(key) end
    if #key ~= key_size then return nil, "bad key length" end
    return key, iv
end

-- Key and IV made out of a password. The IV of GCM has the length that was asked for, filled up with zero bytes.
local function derived(key, salt, cipher, hash, rounds, iv_size)
    if salt and #salt ~= 8 then return nil, "salt must be 8 characters or nil" end
    if not _M.hash[hash] then error("bad argument #5 to 'new' (unknown hash)", 3) end
    local key_size = cipher.size / 8
    local iv
    key, iv = native.derive_key(hash, salt or "", key, rounds, key_size, cipher.cipher)
    if cipher.cipher ~= "gcm" then return key, iv end
    iv_size = iv_size or key_size
    if iv_size < 1 or iv_size > MAX_GCM_IV then return nil, "failed to set IV length" end
    return key, sub(iv .. rep("\0", iv_size - #iv), 1, iv_size)
end

-- Make an object that encrypts and decrypts.
--   key: a password, or the key itself when `hash` is a table
--   salt: nil or 8 bytes, for the password
--   cipher: of _M.cipher(); AES-128-CBC by default
--   hash: one of _M.hash (md5), or a table {iv =, method =}
--   rounds: of hashing; 1 by default
--   iv_size: of GCM, in bytes; by default as long as the key
--   has_padding: false when messages of ECB and CBC come in whole blocks
-- Returns the object, or nil and what is wrong.
function _M.new(self, key, salt, cipher, hash, rounds, iv_size, has_padding)
    check_string(key, 2, "new")
    if not native.has_aes() then
        return nil, "no libcrypto was found: install OpenSSL's (Debian: libssl3)"
    end
    cipher = cipher or _M.cipher()
    hash = hash or _M.hash.md5
    local iv -- or an error word, when there is no key
    if type(hash) == "table" then
        key, iv = given(key, hash, cipher.size / 8)
    else
        key, iv = derived(key, salt, cipher, hash, rounds or 1, iv_size)
    end
    if not key then return nil, iv end
    if cipher.cipher ~= "gcm" then
        iv = iv .. rep("\0", 16 - #iv)
    elseif iv == "" then
        return nil, "failed to set IV length"
    end
    return setmetatable({
        _mode = cipher.cipher,
        _key = key,
        _iv = iv,
        _is_padded = has_padding == nil or not not has_padding,
    }, meta)
end

local function check_self(self)
    if type(self) ~= "table" then error("bad argument #1 self: table expected, got " .. type(self), 3) end
end

-- Return the encrypted message; with GCM a table {message, tag}. Or nil and the call of libcrypto that failed.
-- `aad`, with GCM: what the tag is to cover besides.
function _M.encrypt(self, s, aad)
    check_self(self)
    check_string(s, 2, "encrypt")
    check_string(aad, 3, "encrypt", true)
    local data, tag, err = encrypt(self._mode, self._key, self._iv, self._is_padded, s, aad)
    if not data then return nil, err end
    if self._mode == "gcm" then return { data, tag } end
    return data
end

-- Return the message; or nil and the call of libcrypto that failed. With GCM it fails unless `tag` is the right one.
function _M.decrypt(self, s, tag, aad)
    check_self(self)
    check_string(s, 2, "decrypt")
    check_string(tag, 3, "decrypt", true)
    check_string(aad, 4, "decrypt", true)
    local data, err = decrypt(self._mode, self._key, self._iv, self._is_padded, s, tag, aad)
    if not data then return nil, err end
    return data
end

core.modules["resty.aes"] = _M
