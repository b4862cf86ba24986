"""The same claims over every kind of stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Certificates
from tests.helpers import nothing_left_open
from tests.socket import contract
from tests.socket.tools import Pair, open_pair


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


@pytest.fixture(params=["tcp", "tcp6", "unix", "tls"])
def pair(request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates) -> Iterator[Pair]:
    with open_pair(request.param, tmp_path, certificates) as connected:
        yield connected


class TestReads(contract.Reads): ...


class TestReaders(contract.Readers): ...


class TestPeeks(contract.Peeks): ...


class TestTimeouts(contract.Timeouts): ...


class TestWrites(contract.Writes): ...


class TestTurns(contract.Turns): ...


class TestKills(contract.Kills): ...
