-- ngx.ocsp: what asks about a certificate and what reads the answer work anywhere, by OpenSSL. To staple an answer to a
-- handshake is for a phase that lasa does not have.
-- Source: lua-resty-core, ngx.ocsp; lua-nginx-module, ngx_http_lua_ssl_ocsp.c.

local core = ...

core.load_chunk "ssl"

local ffi = core.ffi
local C, string_from = ffi.C, ffi.string
local answers, with_text, data_of = core.answers_outside, core.with_openssl_text, core.openssl_data_of
local error, format, select, sub, type = error, string.format, select, string.sub, type

ffi.cdef [[
void *lasa_d2i_X509_bio(void *, void *) __asm__("d2i_X509_bio");
long lasa_BIO_ctrl(void *, int, long, void *) __asm__("BIO_ctrl");
int lasa_X509_check_issued(void *, void *) __asm__("X509_check_issued");
void *lasa_X509_get1_ocsp(void *) __asm__("X509_get1_ocsp");
void lasa_X509_email_free(void *) __asm__("X509_email_free");
void *lasa_X509_STORE_new(void) __asm__("X509_STORE_new");
void lasa_X509_STORE_free(void *) __asm__("X509_STORE_free");
void *lasa_OCSP_REQUEST_new(void) __asm__("OCSP_REQUEST_new");
void lasa_OCSP_REQUEST_free(void *) __asm__("OCSP_REQUEST_free");
int lasa_i2d_OCSP_REQUEST(void *, unsigned char **) __asm__("i2d_OCSP_REQUEST");
void *lasa_OCSP_cert_to_id(void *, void *, void *) __asm__("OCSP_cert_to_id");
void lasa_OCSP_CERTID_free(void *) __asm__("OCSP_CERTID_free");
void *lasa_OCSP_request_add0_id(void *, void *) __asm__("OCSP_request_add0_id");
void *lasa_d2i_OCSP_RESPONSE(void *, const unsigned char **, long) __asm__("d2i_OCSP_RESPONSE");
void lasa_OCSP_RESPONSE_free(void *) __asm__("OCSP_RESPONSE_free");
int lasa_OCSP_response_status(void *) __asm__("OCSP_response_status");
const char *lasa_OCSP_response_status_str(long) __asm__("OCSP_response_status_str");
void *lasa_OCSP_response_get1_basic(void *) __asm__("OCSP_response_get1_basic");
void lasa_OCSP_BASICRESP_free(void *) __asm__("OCSP_BASICRESP_free");
int lasa_OCSP_basic_verify(void *, void *, void *, unsigned long) __asm__("OCSP_basic_verify");
int lasa_OCSP_resp_find_status(void *, void *, int *, int *, void **, void **, void **)
    __asm__("OCSP_resp_find_status");
const char *lasa_OCSP_cert_status_str(long) __asm__("OCSP_cert_status_str");
int lasa_OCSP_check_validity(void *, void *, long, long) __asm__("OCSP_check_validity");
]]

local BIO_CTRL_EOF = 2
local NOVERIFY = 0x10 -- as nginx has it: the signature is checked, but not the signer
local GOOD = 0
local LATE_S = 300 -- how much clocks may differ

-- What a call has to give back to OpenSSL, the last first.
local function give_back(things)
    for i = #things, 1, -1 do things[i][1](things[i][2]) end
end

-- Call `use` with the first two certificates of a chain, the leaf and its issuer, and with a function that notes what is
-- to be given back; return what it returns.
local function with_pair(chain, use)
    local things = {}
    local function keep(free, thing)
        if thing ~= nil then things[#things + 1] = { free, thing } end
        return thing
    end
    local value, err = with_text(chain, function(bio)
        local leaf = keep(C.lasa_X509_free, C.lasa_d2i_X509_bio(bio, nil))
        if leaf == nil then return nil, "d2i_X509_bio() failed" end
        if C.lasa_BIO_ctrl(bio, BIO_CTRL_EOF, 0, nil) == 1 then return nil, "no issuer certificate in chain" end
        local issuer = keep(C.lasa_X509_free, C.lasa_d2i_X509_bio(bio, nil))
        if issuer == nil then return nil, "d2i_X509_bio() failed" end
        return use(leaf, issuer, keep)
    end)
    give_back(things)
    return value, err
end

local function check_texts(name, n, ...)
    for i = 1, n do
        local text = select(i, ...)
        if type(text) ~= "string" then
            error(format("bad argument #%d to '%s' (string expected, got %s)", i, name, type(text)), 3)
        end
    end
end

local function size_of(max) return max or core.modules["resty.core.base"].get_string_buf_size() end

local ocsp = { version = core.ngx_lua_resty_version }
core.modules["ngx.ocsp"] = ocsp

-- Return where to ask about the first certificate of a DER chain, "truncated" as well if it is longer than `max`; nil if
-- the certificate does not say; nil and an error.
function ocsp.get_ocsp_responder_from_der_chain(chain, max)
    check_texts("get_ocsp_responder_from_der_chain", 1, chain)
    local url, err = with_pair(chain, function(leaf, issuer, keep)
        local urls = keep(C.lasa_X509_email_free, C.lasa_X509_get1_ocsp(leaf))
        if urls == nil or C.lasa_sk_num(urls) == 0 then return nil end
        if C.lasa_X509_check_issued(issuer, leaf) ~= 0 then return nil, "issuer certificate not next to leaf" end
        return string_from(ffi.cast("const char *", C.lasa_sk_value(urls, 0)))
    end)
    max = size_of(max)
    if url and #url > max then return sub(url, 1, max), "truncated" end
    if err then return nil, err end
    return url
end

-- Return what to ask about the first certificate of a DER chain; nil and an error.
function ocsp.create_ocsp_request(chain, max)
    check_texts("create_ocsp_request", 1, chain)
    local data, err = with_pair(chain, function(leaf, issuer, keep)
        local request = keep(C.lasa_OCSP_REQUEST_free, C.lasa_OCSP_REQUEST_new())
        if request == nil then return nil, "OCSP_REQUEST_new() failed" end
        local id = C.lasa_OCSP_cert_to_id(nil, leaf, issuer)
        if id == nil then return nil, "OCSP_cert_to_id() failed" end
        if C.lasa_OCSP_request_add0_id(request, id) == nil then
            C.lasa_OCSP_CERTID_free(id)
            return nil, "OCSP_request_add0_id() failed"
        end
        return data_of(request, C.lasa_i2d_OCSP_REQUEST, "i2d_OCSP_REQUEST")
    end)
    if not data then return nil, err end
    max = size_of(max)
    if #data > max then return nil, "output buffer too small: " .. #data .. " > " .. max end
    return data
end

-- Return an error for an answer that is of no use by itself, else OpenSSL's form of what is in it.
local function open_answer(answer, keep)
    local place = ffi.new("const unsigned char *[1]", ffi.cast("const unsigned char *", answer))
    local response = keep(C.lasa_OCSP_RESPONSE_free, C.lasa_d2i_OCSP_RESPONSE(nil, place, #answer))
    if response == nil then return "d2i_OCSP_RESPONSE() failed" end
    local status = C.lasa_OCSP_response_status(response)
    if status ~= 0 then
        return format("OCSP response not successful (%d: %s)", status,
            string_from(C.lasa_OCSP_response_status_str(status)))
    end
    local basic = keep(C.lasa_OCSP_BASICRESP_free, C.lasa_OCSP_response_get1_basic(response))
    if basic == nil then return "OCSP_response_get1_basic() failed" end
    return nil, basic
end

-- Return what an answer has against the leaf.
local function complaint_of(basic, leaf, issuer, keep)
    local store = keep(C.lasa_X509_STORE_free, C.lasa_X509_STORE_new())
    local signers = keep(C.lasa_sk_free, C.lasa_sk_new_null())
    C.lasa_sk_push(signers, issuer)
    if C.lasa_OCSP_basic_verify(basic, signers, store, NOVERIFY) ~= 1 then return "OCSP_basic_verify() failed" end
    local id = keep(C.lasa_OCSP_CERTID_free, C.lasa_OCSP_cert_to_id(nil, leaf, issuer))
    if id == nil then return "OCSP_cert_to_id() failed" end
    local status, this, next_one = ffi.new "int[1]", ffi.new "void *[1]", ffi.new "void *[1]"
    if C.lasa_OCSP_resp_find_status(basic, id, status, nil, nil, this, next_one) ~= 1 then
        return "certificate status not found in the OCSP response"
    end
    if status[0] ~= GOOD then
        return format('certificate status "%s" in the OCSP response',
            string_from(C.lasa_OCSP_cert_status_str(status[0])))
    end
    if C.lasa_OCSP_check_validity(this[0], next_one[0], LATE_S, -1) ~= 1 then return "OCSP_check_validity() failed" end
end

-- Return true if the answer says that the first certificate of the DER chain is good; nil and an error, cut at `max`.
function ocsp.validate_ocsp_response(answer, chain, max)
    check_texts("validate_ocsp_response", 2, answer, chain)
    local things = {}
    local err, basic = open_answer(answer, function(free, thing)
        if thing ~= nil then things[#things + 1] = { free, thing } end
        return thing
    end)
    if not err then
        local _
        _, err = with_pair(chain, function(leaf, issuer, keep)
            return nil, complaint_of(basic, leaf, issuer, keep)
        end)
    end
    give_back(things)
    C.lasa_ERR_clear_error()
    if err then return nil, sub(err, 1, size_of(max)) end
    return true
end

ocsp.set_ocsp_status_resp = answers("set_ocsp_status_resp", { "string" }, nil, "bad request")
