-- ngx.ssl: what reads certificates and keys works anywhere, by OpenSSL; what needs the TLS of a connection that is being
-- made answers what it answers in nginx outside of such a phase.
-- Source: lua-resty-core, ngx.ssl; lua-nginx-module, ngx_http_lua_ssl_certby.c.

local core = ...

core.load_chunk "of_phases"
core.load_chunk "nginx_c" -- so that ffi.C has OpenSSL

local ffi = core.ffi
local C, gc, string_from, typeof = ffi.C, ffi.gc, ffi.string, ffi.typeof
local answers = core.answers_outside
local error, floor, setmetatable, tonumber, tostring, type =
    error, math.floor, setmetatable, tonumber, tostring, type

-- Names of our own, so that a script's own declarations of OpenSSL cannot clash with these.
ffi.cdef [[
void *lasa_BIO_new_mem_buf(const char *, int) __asm__("BIO_new_mem_buf");
int lasa_BIO_free(void *) __asm__("BIO_free");
void *lasa_PEM_read_bio_X509_AUX(void *, void *, void *, const char *) __asm__("PEM_read_bio_X509_AUX");
void *lasa_PEM_read_bio_X509(void *, void *, void *, const char *) __asm__("PEM_read_bio_X509");
void *lasa_PEM_read_bio_PrivateKey(void *, void *, void *, const char *) __asm__("PEM_read_bio_PrivateKey");
int lasa_i2d_X509(void *, unsigned char **) __asm__("i2d_X509");
int lasa_i2d_PrivateKey(void *, unsigned char **) __asm__("i2d_PrivateKey");
void *lasa_BIO_s_mem(void) __asm__("BIO_s_mem");
void *lasa_BIO_new(void *) __asm__("BIO_new");
size_t lasa_BIO_ctrl_pending(void *) __asm__("BIO_ctrl_pending");
int lasa_BIO_read(void *, void *, int) __asm__("BIO_read");
int lasa_PEM_write_bio_X509(void *, void *) __asm__("PEM_write_bio_X509");
int lasa_PEM_write_bio_PrivateKey(void *, void *, void *, void *, int, void *, void *)
    __asm__("PEM_write_bio_PrivateKey");
void lasa_X509_free(void *) __asm__("X509_free");
void lasa_EVP_PKEY_free(void *) __asm__("EVP_PKEY_free");
void *lasa_sk_new_null(void) __asm__("OPENSSL_sk_new_null");
int lasa_sk_push(void *, void *) __asm__("OPENSSL_sk_push");
int lasa_sk_num(void *) __asm__("OPENSSL_sk_num");
void *lasa_sk_value(void *, int) __asm__("OPENSSL_sk_value");
void *lasa_sk_pop(void *) __asm__("OPENSSL_sk_pop");
void lasa_sk_free(void *) __asm__("OPENSSL_sk_free");
unsigned long lasa_ERR_peek_last_error(void) __asm__("ERR_peek_last_error");
void lasa_ERR_clear_error(void) __asm__("ERR_clear_error");
]]

local LIBRARY_PEM, NO_START_LINE = 9, 108
local NO_PASSWORD = "" -- without one OpenSSL would ask for it on the terminal

local ssl = { version = core.ngx_lua_resty_version }
core.modules["ngx.ssl"] = ssl

-- ---- what reads certificates and keys -------------------------------------------------------------------------------

-- Whether the last error says that there is no more PEM; its place in the number differs between OpenSSL 1 and 3.
local function is_at_the_end()
    local code = tonumber(C.lasa_ERR_peek_last_error())
    return floor(code / 2 ^ 23) % 256 == LIBRARY_PEM and code % 2 ^ 23 == NO_START_LINE
        or floor(code / 2 ^ 24) % 256 == LIBRARY_PEM and code % 2 ^ 12 == NO_START_LINE
end

-- Call `read` with a text as OpenSSL reads it. Errors wait in a queue of the OS thread, where the next failure of a
-- connection would find ours, so none is left there.
local function with_text(text, read, ...)
    C.lasa_ERR_clear_error()
    local bio = C.lasa_BIO_new_mem_buf(text, #text)
    if bio == nil then error("not enough memory", 0) end
    local value, err = read(bio, ...)
    C.lasa_BIO_free(bio)
    C.lasa_ERR_clear_error()
    return value, err
end

core.with_openssl_text = with_text

-- Return the DER of something of OpenSSL's; nil and an error.
local function data_of(thing, write, name)
    local size = write(thing, nil)
    if size <= 0 then return nil, name .. "() failed" end
    local buffer = ffi.new("unsigned char[?]", size)
    write(thing, ffi.new("unsigned char *[1]", buffer))
    return string_from(buffer, size)
end
core.openssl_data_of = data_of

-- The same for what is given back then.
local function der_of(thing, write, free, name)
    local data, err = data_of(thing, write, name)
    free(thing)
    return data, err
end

-- Call `take` with each certificate, which is its own from then on; returns an error.
local function each_certificate(bio, take)
    local certificate = C.lasa_PEM_read_bio_X509_AUX(bio, nil, nil, NO_PASSWORD)
    if certificate == nil then return "PEM_read_bio_X509_AUX() failed" end
    repeat
        local err = take(certificate)
        if err then return err end
        certificate = C.lasa_PEM_read_bio_X509(bio, nil, nil, NO_PASSWORD)
    until certificate == nil
    if not is_at_the_end() then return "PEM_read_bio_X509() failed" end
end

local function read_certificates(bio)
    local chain = ""
    local err = each_certificate(bio, function(certificate)
        local data, problem = der_of(certificate, C.lasa_i2d_X509, C.lasa_X509_free, "i2d_X509")
        if problem then return problem end
        chain = chain .. data
    end)
    if err then return nil, err end
    return chain
end

-- What parse_pem_cert and parse_pem_priv_key have returned: no other untyped pointer is followed.
local is_chain, is_key = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })

local function free_chain(chain)
    while true do
        local certificate = C.lasa_sk_pop(chain)
        if certificate == nil then break end
        C.lasa_X509_free(certificate)
    end
    C.lasa_sk_free(chain)
end

local function read_chain(bio)
    local chain = gc(C.lasa_sk_new_null(), free_chain)
    local err = each_certificate(bio, function(certificate) C.lasa_sk_push(chain, certificate) end)
    if err then return nil, err end
    is_chain[chain] = true
    return chain
end

local function read_key(bio, password)
    local key = C.lasa_PEM_read_bio_PrivateKey(bio, nil, nil, password or NO_PASSWORD)
    if key == nil then return nil, "PEM_read_bio_PrivateKey() failed" end
    return key
end

local function read_key_data(bio, password)
    local key, err = read_key(bio, password)
    if not key then return nil, err end
    return der_of(key, C.lasa_i2d_PrivateKey, C.lasa_EVP_PKEY_free, "i2d_PrivateKey")
end

local function check_text(text, name)
    if type(text) == "string" then return end
    error("bad argument #1 to '" .. name .. "' (string expected, got " .. type(text) .. ")", 3)
end

-- Return the certificates of a PEM text in DER, one behind the other; nil and an error.
function ssl.cert_pem_to_der(pem)
    check_text(pem, "cert_pem_to_der")
    return with_text(pem, read_certificates)
end

-- Return the key of a PEM text in DER; nil and an error.
function ssl.priv_key_pem_to_der(pem, password)
    check_text(pem, "priv_key_pem_to_der")
    return with_text(pem, read_key_data, password)
end

-- Return the certificates as OpenSSL has them, a stack of X509; nil and an error.
function ssl.parse_pem_cert(pem)
    check_text(pem, "parse_pem_cert")
    return with_text(pem, read_chain)
end

-- Return the key as OpenSSL has it, an EVP_PKEY; nil and an error.
function ssl.parse_pem_priv_key(pem)
    check_text(pem, "parse_pem_priv_key")
    local key, err = with_text(pem, read_key)
    if not key then return nil, err end
    gc(key, C.lasa_EVP_PKEY_free)
    is_key[key] = true
    return key
end

-- lua-resty-openssl has pointers of OpenSSL's own types.
local function is_pointer_to(pointer, name) return tostring(typeof(pointer)) == "ctype<struct " .. name .. " *>" end

-- Return certificates and their key as one PEM text, for the sockets; nil and a complaint.
function core.pem_of(chain, key)
    if not (is_chain[chain] or is_pointer_to(chain, "stack_st")) then return nil, "bad cert arg: what ngx.ssl.parse_pem_cert returns expected" end
    if not (is_key[key] or is_pointer_to(key, "evp_pkey_st")) then return nil, "bad pkey arg: what ngx.ssl.parse_pem_priv_key returns expected" end
    local bio = C.lasa_BIO_new(C.lasa_BIO_s_mem())
    if bio == nil then error("not enough memory", 0) end
    for i = 0, C.lasa_sk_num(chain) - 1 do C.lasa_PEM_write_bio_X509(bio, C.lasa_sk_value(chain, i)) end
    C.lasa_PEM_write_bio_PrivateKey(bio, key, nil, nil, 0, nil, nil)
    local size = tonumber(C.lasa_BIO_ctrl_pending(bio))
    local buffer = ffi.new("char[?]", size)
    size = C.lasa_BIO_read(bio, buffer, size)
    C.lasa_BIO_free(bio)
    return string_from(buffer, size)
end

-- ---- what needs a connection's TLS ----------------------------------------------------------------------------------

local NO_TLS = "bad request"

ssl.clear_certs = answers("clear_certs", {}, nil, NO_TLS)
ssl.set_der_cert = answers("set_der_cert", { "string" }, nil, NO_TLS)
ssl.set_der_priv_key = answers("set_der_priv_key", { "string" }, nil, NO_TLS)
ssl.set_cert = answers("set_cert", {}, nil, NO_TLS)
ssl.set_priv_key = answers("set_priv_key", {}, nil, NO_TLS)
ssl.raw_server_addr = answers("raw_server_addr", {}, nil, nil, NO_TLS)
ssl.raw_client_addr = answers("raw_client_addr", {}, nil, nil, NO_TLS)
ssl.server_name = answers("server_name", {}, nil, NO_TLS)
ssl.server_port = answers("server_port", {}, nil, NO_TLS)
ssl.get_tls1_version = answers("get_tls1_version", {}, nil, NO_TLS)
ssl.get_tls1_version_str = answers("get_tls1_version_str", {}, nil, NO_TLS)
ssl.verify_client = answers("verify_client", {}, nil, "API disabled in the current context")

ssl.SSL3_VERSION = 0x0300
ssl.TLS1_VERSION = 0x0301
ssl.TLS1_1_VERSION = 0x0302
ssl.TLS1_2_VERSION = 0x0303
ssl.TLS1_3_VERSION = 0x0304
