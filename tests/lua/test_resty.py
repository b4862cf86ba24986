"""resty.string, digests, random bytes, AES, resty.core: as lua-resty-string and lua-resty-core answer."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

from lasa.lua import _libcrypto
from tests.lua.pieces import Pieces
from tests.lua.tools import value_of

DEBIAN = Path("/usr/share/lua/5.1/nginx")
DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


@pytest.fixture(scope="module")
def lua() -> Pieces:
    return Pieces(families=["crypto"], chunks=["digests", "random", "aes", "resty_core"])


# ---- resty.string --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "hexadecimal"), [("", b""), ("abc", b"616263"), (r"\0\255\n", b"00ff0a")])
def test_to_hex_writes_each_byte_as_two_small_digits(lua: Pieces, text: str, hexadecimal: bytes) -> None:
    assert lua.run(f'return require("resty.string").to_hex("{text}")') == hexadecimal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("32", 32),
        ("0", 0),
        ("007", 7),
        ("", -1),
        ("-5", -1),
        (" 5", -1),
        ("5a", -1),
        ("1.5", -1),
        ("9223372036854775807", 2**63),  # as near as a Lua number comes
        ("9223372036854775808", -1),
        ("00000000000000000000000012", 12),
        ("99999999999999999999", -1),
    ],
)
def test_atoi_reads_digits_alone(lua: Pieces, text: str, number: int) -> None:
    assert lua.run(f'return require("resty.string").atoi("{text}")') == number


@pytest.mark.parametrize("call", ["to_hex(nil)", "to_hex(12)", "atoi(nil)", "atoi({})"])
def test_what_is_no_string_is_an_error_of_the_caller(lua: Pieces, call: str) -> None:
    message = lua.run(f'return select(2, pcall(function() local _ = require("resty.string").{call} end))')
    assert message.startswith(b"test:1: bad argument #1 to ")


# ---- digests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIGESTS)
def test_a_digest_of_pieces_is_that_of_the_whole(lua: Pieces, name: str) -> None:
    code = f"""
        local digest = require("resty.{name}"):new()
        local first, second = digest:update("hel"), digest:update("lo")
        return first, second, digest:final()
    """
    assert lua.run(code) == (True, True, hashlib.new(name, b"hello").digest())


@pytest.mark.parametrize("name", DIGESTS)
def test_reset_starts_a_digest_again(lua: Pieces, name: str) -> None:
    code = f"""
        local digest = require("resty.{name}"):new()
        digest:update("something")
        local ok = digest:reset()
        return ok, digest:final()
    """
    assert lua.run(code) == (True, hashlib.new(name).digest())


def test_md5_takes_only_so_many_bytes_of_a_piece(lua: Pieces) -> None:
    code = """
        local digest = require("resty.md5"):new()
        digest:update("hello", 3)
        digest:update("loxxx", 2)
        digest:update("ignored", 0)
        digest:update("", 10)
        return digest:final()
    """
    assert lua.run(code) == hashlib.md5(b"hello").digest()


def test_digests_do_not_share_what_they_were_given(lua: Pieces) -> None:
    code = """
        local sha1 = require "resty.sha1"
        local one, other = sha1:new(), sha1:new()
        one:update("one")
        other:update("other")
        return one:final(), other:final()
    """
    assert lua.run(code) == (hashlib.sha1(b"one").digest(), hashlib.sha1(b"other").digest())


def test_a_digest_of_a_wrong_value_names_it(lua: Pieces) -> None:
    code = """
        local sha256 = require "resty.sha256"
        local _, one = pcall(function() sha256:new():update(nil) end)
        local _, other = pcall(function() sha256.update("text", "text") end)
        return one, other
    """
    assert lua.run(code) == (
        b"test:3: bad argument #2 to 'update' (string expected, got nil)",
        b"test:4: bad argument #1 to 'update' (sha256 object expected, got string)",
    )


def test_every_module_of_lua_resty_string_has_its_version(lua: Pieces) -> None:
    for name in (*DIGESTS, "sha", "string", "random", "aes"):
        assert lua.run(f'return require("resty.{name}")._VERSION') == b"0.17"


def test_collected_digests_leave_nothing_behind_in_python(lua: Pieces, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: weakref.WeakSet[Digest] = weakref.WeakSet()

    class Digest:
        def __init__(self, _name: str, **_: object) -> None:
            alive.add(self)

        def update(self, _data: bytes) -> None:
            assert self in alive

    monkeypatch.setattr(hashlib, "new", Digest)
    kept = lua.run("""
        kept = require("resty.sha1"):new()
        for _ = 1, 1000 do require("resty.sha1"):new():update("x") end
        collectgarbage() collectgarbage()
        return kept:update("x")
    """)
    assert (kept, len(alive)) == (True, 1)


# ---- resty.random --------------------------------------------------------------------------------------------------


def test_random_bytes_are_as_many_as_asked_for_and_never_the_same(lua: Pieces) -> None:
    one, other, none = lua.run("""
        local random = require "resty.random"
        return random.bytes(16), random.bytes(16, true), random.bytes(0)
    """)
    assert (len(one), len(other), none) == (16, 16, b"")
    assert one != other


@pytest.mark.parametrize("size", ["-1", "nil", "{}", "0/0", "math.huge"])
def test_random_bytes_of_no_size_are_an_error(lua: Pieces, size: str) -> None:
    message = lua.run(f'return select(2, pcall(function() local _ = require("resty.random").bytes({size}) end))')
    assert message.startswith(b"test:1: bad argument #1 to 'bytes' ")


# ---- resty.aes -----------------------------------------------------------------------------------------------------

# What lua-resty-string 0.17 itself gives: arguments of aes:new(), the message, the result in hexadecimal.
VECTORS = [
    ('"secret"', "hello", "7b47a4dbb11e2cddb2f3740c9e3a552b"),
    ('""', "hello", "6cb1a35bf9d66e92c9dec684fc329746"),
    ('"secret", "WhatSalt"', "hello", "f72db89f8e19326d8da4928be106705c"),
    ('"secret", nil, aes.cipher(256, "ecb"), aes.hash.sha1', "hello", "927148b31f0e89696a222489403f540d"),
    ('"secret", nil, aes.cipher(256, "ecb"), aes.hash.sha1, 5', "hello", "d1a9b6e59b8980e783df223889563bee"),
]


@pytest.mark.parametrize(("arguments", "message", "encrypted"), VECTORS)
def test_aes_encrypts_as_lua_resty_string_does_and_back(
    lua: Pieces, arguments: str, message: str, encrypted: str
) -> None:
    code = f"""
        local aes = require "resty.aes"
        local box = assert(aes:new({arguments}))
        local data = assert(box:encrypt("{message}"))
        return require("resty.string").to_hex(data), box:decrypt(data)
    """
    assert lua.run(code) == (encrypted.encode(), message.encode())


@pytest.mark.parametrize(
    ("aad", "tag"), [("nil", b"bcecc29fb0d8b5c895e21f6ea89681a2"), ('"aad"', b"46f4f3ca65395568407e15768b7526d9")]
)
def test_gcm_gives_message_and_tag_and_wants_both_back(lua: Pieces, aad: str, tag: bytes) -> None:
    code = f"""
        local aes, hex = require "resty.aes", require("resty.string").to_hex
        local box = aes:new("secret", nil, aes.cipher(256, "gcm"), aes.hash.sha256, 1, 12)
        local encrypted = box:encrypt("hello", {aad})
        return hex(encrypted[1]), hex(encrypted[2]), box:decrypt(encrypted[1], encrypted[2], {aad})
    """
    assert lua.run(code) == (b"4acef84443", tag, b"hello")


@pytest.mark.parametrize(
    ("tag", "aad"),
    [
        ("nil", '"aad"'),
        ('""', '"aad"'),
        ("tag:sub(1, 1)", '"aad"'),  # libcrypto by itself takes a tag as short as one byte
        ("tag:sub(1, 15)", '"aad"'),
        ('("x"):rep(16)', '"aad"'),
        ("tag", '"other"'),
        ("tag", "nil"),
    ],
)
def test_gcm_without_its_whole_tag_gives_nothing(lua: Pieces, tag: str, aad: str) -> None:
    code = f"""
        local aes = require "resty.aes"
        local box = aes:new("secret", nil, aes.cipher(128, "gcm"), aes.hash.sha256, 1, 12)
        local encrypted = box:encrypt("hello", "aad")
        local tag = encrypted[2]
        return box:decrypt(encrypted[1], {tag}, {aad})
    """
    assert lua.run(code) == (None, b"EVP_DecryptFinal_ex failed")


@pytest.mark.parametrize("mode", _libcrypto.MODES)
@pytest.mark.parametrize("size", [128, 192, 256])
def test_every_mode_gives_the_message_back(lua: Pieces, size: int, mode: str) -> None:
    code = f"""
        local aes = require "resty.aes"
        local box = assert(aes:new("secret", "WhatSalt", aes.cipher({size}, "{mode}"), aes.hash.sha512, 3))
        local message = ("0123456789"):rep(100)
        local data = assert(box:encrypt(message))
        local tag
        if type(data) == "table" then data, tag = data[1], data[2] end
        local first, second = box:decrypt(data, tag), box:decrypt(data, tag)
        return data ~= message and #data >= #message, first == message, second == message
    """
    assert lua.run(code) == (True, True, True)


def test_key_and_iv_may_be_given_or_made_by_a_function_of_the_script(lua: Pieces) -> None:
    code = """
        local aes = require "resty.aes"
        local spec = {iv = "ivivivivivivivi!", method = function(key) return key:reverse() end}
        local made = aes:new("0123456789abcdef", nil, aes.cipher(128, "cbc"), spec)
        local given = aes:new("fedcba9876543210", nil, nil, {iv = spec.iv})
        return made:encrypt("hello") == given:encrypt("hello"), given:decrypt(made:encrypt("hello"))
    """
    assert lua.run(code) == (True, b"hello")


def test_without_padding_a_message_must_be_of_whole_blocks(lua: Pieces) -> None:
    code = """
        local aes = require "resty.aes"
        local box = aes:new("secret", nil, nil, nil, nil, nil, false)
        local encrypted = box:encrypt(("x"):rep(32))
        return #encrypted, box:decrypt(encrypted), box:encrypt("hello")
    """
    assert lua.run(code) == (32, b"x" * 32, None, b"EVP_EncryptFinal_ex failed")


def test_a_message_that_was_tampered_with_is_not_decrypted(lua: Pieces) -> None:
    code = """
        local box = require("resty.aes"):new("secret")
        return box:decrypt("not of whole blocks")
    """
    assert lua.run(code) == (None, b"EVP_DecryptFinal_ex failed")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ('"secret", "Oversized!"', b"salt must be 8 characters or nil"),
        ('"secret", "abc"', b"salt must be 8 characters or nil"),
        ('"hel", nil, nil, {iv = ("i"):rep(16)}', b"bad key length"),
        ('("k"):rep(16), nil, nil, {}', b"iv is needed"),
        ('("k"):rep(16), nil, nil, {iv = ("i"):rep(17)}', b"bad iv length"),
        ('("k"):rep(16), nil, nil, {iv = ("i"):rep(16), method = function() return "" end}', b"bad key length"),
        ('("k"):rep(16), nil, aes.cipher(128, "gcm"), {iv = ""}', b"failed to set IV length"),
        ('"secret", nil, aes.cipher(128, "gcm"), nil, 1, 0', b"failed to set IV length"),
    ],
)
def test_what_aes_cannot_be_made_of_has_a_word(lua: Pieces, arguments: str, word: bytes) -> None:
    assert lua.run(f'local aes = require "resty.aes" return aes:new({arguments})') == (None, word)


def test_an_unknown_cipher_is_an_error_as_there(lua: Pieces) -> None:
    message = lua.run('return select(2, pcall(function() require("resty.aes").cipher(128, "xts") end))')
    assert message == b"test:1: missing declaration for symbol 'EVP_aes_128_xts'"


def test_encrypt_called_with_a_dot_says_what_it_misses(lua: Pieces) -> None:
    message = lua.run('return select(2, pcall(function() require("resty.aes").encrypt("hello") end))')
    assert message == b"test:1: bad argument #1 self: table expected, got string"


def test_without_libcrypto_aes_says_what_to_install(lua: Pieces, monkeypatch: pytest.MonkeyPatch) -> None:
    _libcrypto._libcrypto.cache_clear()
    monkeypatch.setattr(_libcrypto, "_file", lambda: "/nowhere/libcrypto.so")
    monkeypatch.setattr(_libcrypto, "_SONAMES", ())
    try:
        found = lua.run('return require("resty.aes"):new("secret")')
    finally:
        _libcrypto._libcrypto.cache_clear()
    assert found == (None, b"no libcrypto was found: install OpenSSL's (Debian: libssl3)")


def test_where_python_has_openssl_built_in_the_systems_libcrypto_serves(
    lua: Pieces, monkeypatch: pytest.MonkeyPatch
) -> None:
    _libcrypto._libcrypto.cache_clear()
    monkeypatch.setattr(_libcrypto, "_file", lambda: None)
    try:
        if not _libcrypto.is_there():
            pytest.skip("the system has no libcrypto")
        found = lua.run('local box = require("resty.aes"):new("secret") return box:decrypt(box:encrypt("hello"))')
    finally:
        _libcrypto._libcrypto.cache_clear()
    assert found == b"hello"


def test_a_failed_decryption_leaves_no_error_behind_for_ssl(lua: Pieces) -> None:
    found = _libcrypto._libcrypto()
    assert found is not None
    peek = ctypes.CFUNCTYPE(ctypes.c_ulong)(("ERR_peek_error", found[0]))
    lua.run('require("resty.aes"):new("secret"):decrypt("not of whole blocks")')
    assert peek() == 0


# ---- the originals, where they are installed -----------------------------------------------------------------------

ORIGINAL = """
local str = require "resty.string"
local function digest(name)
    local found = require(PREFIX .. name):new()
    found:update("hello")
    return str.to_hex(found:final())
end
local out = {}
for _, name in ipairs { "md5", "sha1", "sha224", "sha256", "sha384", "sha512" } do out[#out + 1] = digest(name) end
local aes = require(PREFIX .. "aes")
for _, size in ipairs { 128, 192, 256 } do
    for _, mode in ipairs { "ecb", "cbc", "cfb1", "cfb8", "cfb128", "ofb" } do
        local box = aes:new("secret", "WhatSalt", aes.cipher(size, mode), aes.hash.sha224, 4)
        out[#out + 1] = str.to_hex(box:encrypt("Really secret message!"))
    end
end
return table.concat(out, " ")
"""

COMPARE = f"""
import sys
from lasa.lua._libcrypto import make_libcrypto_global
from tests.lua.pieces import Pieces

assert make_libcrypto_global()
CODE = {ORIGINAL!r}
ours = Pieces(families=["crypto"], chunks=["digests", "random", "aes"]).run('PREFIX = "resty." ' + CODE)
lua = Pieces()
lua.run('package.path = package.path .. ";{DEBIAN.parent}/?.lua"')
assert lua.run('PREFIX = "nginx." ' + CODE) == ours
assert len(ours.split()) == 24
"""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


FOUND_BY_FFI = """
from lasa.lua._libcrypto import make_libcrypto_global
from tests.lua.pieces import Pieces

CODE = '''
    local ffi = require "ffi"
    ffi.cdef("int RAND_bytes(unsigned char *buf, int num);")
    return (pcall(function() return ffi.C.RAND_bytes end))
'''
before = Pieces().run(CODE)
print(before, make_libcrypto_global(), Pieces().run(CODE))
import hashlib, ssl
ssl.create_default_context(), hashlib.new("sha512")
"""


def test_ffi_finds_libcrypto_once_it_is_global() -> None:
    result = run_python(FOUND_BY_FFI)
    assert (result.stdout, result.stderr) == ("False True True\n", "")


@pytest.mark.skipif(not (DEBIAN / "aes.lua").exists(), reason="Debian's lua-nginx-string is not installed")
def test_the_original_over_ffi_runs_once_libcrypto_is_global_and_agrees() -> None:
    result = run_python(COMPARE)
    assert (result.returncode, result.stderr) == (0, "")


# ---- resty.core ----------------------------------------------------------------------------------------------------


def test_resty_core_and_its_parts_can_be_required(lua: Pieces) -> None:
    parts = """
        base base64 coroutine ctx exit hash misc ndk param phase regex request response shdict socket time uri utils
        var worker
    """
    for name in ("resty.core", *(f"resty.core.{part}" for part in parts.split())):
        found = lua.run(f'local module = require "{name}" return module.version or module._VERSION')
        assert found == b"0.1.25", name


def test_it_is_loaded_before_any_script() -> None:
    code = """
        return package.loaded["resty.core"] == require "resty.core", package.loaded["resty.core.regex"] ~= nil,
            package.loaded.ndk == ndk, require "ndk" == ndk, package.loaded["ngx.semaphore"] == nil
    """
    assert value_of(code) == (True,) * 5


def test_what_is_inside_of_resty_core_works_or_says_what_to_use() -> None:
    code = """
        local said = {}
        local function complaint(f, ...) said[#said + 1] = tostring(select(2, pcall(f, ...))) end
        local regex = require "resty.core.regex"
        for _, name in ipairs {
            "re_match_compile", "re_sub_compile", "collect_captures", "check_buf_size", "destroy_compiled_regex",
        } do
            complaint(regex[name], "(a)(b)", "jo")
        end
        complaint(require("ngx.pipe").spawn, { "ls" })
        regex.set_buf_grow_ratio(3)
        local misc = require "resty.core.misc"
        misc.register_ngx_magic_key_getter("mine", function() return "computed" end)
        return said, regex.is_regex_cache_empty(), ngx.mine
    """
    said, is_empty, mine = value_of(code)
    assert all(b" is absent, since lasa has no nginx behind it: " in complaint for complaint in said), said
    assert (len(said), is_empty, mine) == (6, True, b"computed")


def test_base_has_the_words_of_ffi_functions(lua: Pieces) -> None:
    code = """
        local base = require "resty.core.base"
        return base.FFI_OK, base.FFI_ERROR, base.FFI_AGAIN, base.FFI_BUSY, base.FFI_DONE, base.FFI_DECLINED,
            base.FFI_ABORT, base.FFI_NO_REQ_CTX, base.FFI_BAD_CONTEXT
    """
    assert lua.run(code) == (0, -1, -2, -3, -4, -5, -6, -100, -101)


def test_the_common_string_buffer_is_one_until_it_is_too_small(lua: Pieces) -> None:
    code = """
        local base, ffi = require "resty.core.base", require "ffi"
        local one, same, own, big = base.get_string_buf(10), base.get_string_buf(4096), base.get_string_buf(10, true),
            base.get_string_buf(5000)
        local size = base.get_string_buf_size()
        base.set_string_buf_size(8192)
        local larger = base.get_string_buf(5000)
        base.set_string_buf_size(4096)
        return one == same, own == one, ffi.sizeof(one), ffi.sizeof(own), ffi.sizeof(big), size, ffi.sizeof(larger)
    """
    assert lua.run(code) == (True, False, 4096, 10, 5000, 4096, 8192)


def test_pointers_for_sizes_and_messages_can_be_written_through(lua: Pieces) -> None:
    code = """
        local base = require "resty.core.base"
        base.get_size_ptr()[0] = 7
        return tonumber(base.get_size_ptr()[0]), base.get_errmsg_ptr()[0] == nil
    """
    assert lua.run(code) == (7, True)


def test_references_in_a_table_take_free_numbers_first(lua: Pieces) -> None:
    code = """
        local ref = require("resty.core.base").ref_in_table
        local values = {}
        local one, two = ref(values, "a"), ref(values, "b")
        values[1], values[0] = 0, 1 -- as a library frees number 1
        return one, two, ref(values, "c"), ref(values, "d"), ref(values, nil), values[1]
    """
    assert lua.run(code) == (1, 2, 1, 3, -1, b"c")


def test_tables_are_made_and_emptied(lua: Pieces) -> None:
    code = """
        local base = require "resty.core.base"
        local found = base.new_tab(4, 4)
        found[1], found.x = 1, 2
        base.clear_tab(found)
        return next(found)
    """
    assert lua.run(code) is None


def test_a_subsystem_that_a_library_is_not_for_is_its_callers_error(lua: Pieces) -> None:
    code = """
        local allows = require("resty.core.base").allows_subsystem
        allows("stream", "http")
        return pcall(function() allows("stream") end)
    """
    assert lua.run(code) == (False, b"test:4: unsupported subsystem: http")


def test_get_request_is_one_thing_per_handler_and_nil_outside(lua: Pieces) -> None:
    code = """
        local base = require "resty.core.base"
        local thread
        core_of_tests.current = function() return thread end
        local outside = base.get_request()
        local handler, other = {}, {}
        thread = {handler = handler}
        local one, again = base.get_request(), base.get_request()
        thread = {handler = other}
        return outside, one ~= nil, one == again, base.get_request() == one
    """
    assert lua.run(code) == (None, True, True, False)


def test_the_clock_that_never_goes_back_counts_whole_milliseconds(lua: Pieces) -> None:
    code = 'local time = require "resty.core.time" return time.monotonic_msec(), time.monotonic_time()'
    assert lua.run(code) == (1234, 1.234)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('"a_b_c", "_", "-"', b"a-b-c"),
        ('"a.b", ".", "%"', b"a%b"),
        ('"a%b", "%", "."', b"a.b"),
        ('"abc", "b", "0"', b"a0c"),
        ('"abc", "b", "%1"', b"a%1c"),
        ('"abc", "x", "y"', b"abc"),
    ],
)
def test_str_replace_char_takes_characters_as_they_are(lua: Pieces, arguments: str, expected: Any) -> None:
    assert lua.run(f'return require("resty.core.utils").str_replace_char({arguments})') == expected
