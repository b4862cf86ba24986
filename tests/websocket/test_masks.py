"""Masks: the same in C and in Python, over any cuts; keys that nobody can foretell."""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets import speedups

from lasa.websocket._wire import masks
from lasa.websocket._wire.masks import KEYS_AT_ONCE, SMALL, Masker, mask, mask_in_python, new_key
from tests.websocket.tools import chunks_of

ROOT = Path(__file__).parents[2]
KEY = b"\x37\xfa\x21\x3d"
Way = Callable[[bytes | memoryview, bytes], bytes]
WAYS: list[Way] = [mask, mask_in_python]
DATA = random.Random(1).randbytes(3 * SMALL)

_KEYS = st.binary(min_size=4, max_size=4)
_PLACES = st.lists(st.integers(0, 2**16), max_size=8)


def by_the_formula(data: bytes, key: bytes) -> bytes:
    """RFC 6455 section 5.3."""
    return bytes(octet ^ key[at % 4] for at, octet in enumerate(data))


@pytest.mark.parametrize("way", WAYS)
def test_the_example_of_the_rfc_is_masked(way: Way) -> None:
    assert way(b"Hello", KEY) == b"\x7f\x9f\x4d\x51\x58"


def test_c_masks_where_it_is_there() -> None:
    assert mask is speedups.apply_mask


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [*range(12), *range(SMALL - 5, SMALL + 6), 3 * SMALL])
def test_every_way_of_masking_follows_the_formula(way: Way, size: int) -> None:
    for key in (KEY, bytes(4), b"\xff\xff\xff\xff", b"\x00\x00\x00\x01", b"\x80\x00\x00\x00"):
        masked = way(DATA[:size], key)
        assert type(masked) is bytes
        assert masked == by_the_formula(DATA[:size], key)
        assert way(memoryview(DATA)[:size], key) == masked
        assert way(masked, key) == DATA[:size]


@settings(deadline=None)
@given(st.binary(max_size=64) | st.integers(0, len(DATA)).map(lambda size: DATA[:size]), _KEYS)
def test_c_and_python_agree(data: bytes, key: bytes) -> None:
    assert mask(data, key) == mask_in_python(data, key)


def test_a_megabyte_is_masked_the_same_way() -> None:
    data = DATA * 700
    assert mask(data, KEY) == mask_in_python(data, KEY)
    assert mask(mask(data, KEY), KEY) == data


def copied() -> ModuleType:
    """The module once more, imported anew."""
    spec = importlib.util.spec_from_file_location("masks_once_more", masks.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_python_masks_where_the_package_has_no_c(monkeypatch: pytest.MonkeyPatch) -> None:
    assert copied().mask is speedups.apply_mask
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    module = copied()
    assert module.mask is module.mask_in_python
    assert module.Masker(KEY).process(b"Hello") == b"\x7f\x9f\x4d\x51\x58"


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None)
@given(st.integers(0, len(DATA)), _KEYS, _PLACES)
def test_a_masker_does_not_care_where_a_payload_is_cut(way: Way, size: int, key: bytes, places: list[int]) -> None:
    masker = Masker(key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "mask", way)
        pieces = [masker.process(chunk) for chunk in chunks_of(DATA[:size], places)]
    assert b"".join(pieces) == by_the_formula(DATA[:size], key)
    assert {type(piece) for piece in pieces} == {bytes}


# --- keys


def test_keys_are_what_the_system_gives_each_part_of_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given_out = []
    original = os.urandom

    def urandom(size: int) -> bytes:
        given_out.append(original(size))
        return given_out[-1]

    monkeypatch.setattr(os, "urandom", urandom)
    masks._keys.forget()
    keys = [new_key() for _ in range(3 * KEYS_AT_ONCE)]
    assert b"".join(keys) == b"".join(given_out)
    assert {len(key) for key in keys} == {4}
    assert len(given_out) == 3


def test_keys_are_distinct_but_for_chance() -> None:
    keys = [new_key() for _ in range(1_000)]
    assert len(set(keys)) >= 998  # two pairs the same: once in 10**8 runs
    assert len({octet for key in keys for octet in key}) > 250


PROGRAM = """
import os
from lasa.websocket._wire.masks import KEYS_AT_ONCE, new_key

new_key()
read_end, write_end = os.pipe()
if os.fork() == 0:
    os.write(write_end, b"".join(new_key() for _ in range(KEYS_AT_ONCE)))
    os._exit(0)
os.wait()
child = os.read(read_end, 65536)
parent = b"".join(new_key() for _ in range(KEYS_AT_ONCE))
assert len(child) == len(parent) == 4 * KEYS_AT_ONCE
print(sum(child[at : at + 4] == parent[at : at + 4] for at in range(0, len(child), 4)))
"""


def test_a_forked_child_has_keys_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
