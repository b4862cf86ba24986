"""Fixtures for the whole suite: a deadline for each test, certificates, real servers, monkey patching on demand."""

from __future__ import annotations

import os

if os.environ.get("LASA_TEST_PATCHED"):  # the suite once more, after gevent.monkey.patch_all()
    from gevent import monkey

    monkey.patch_all()

import faulthandler
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from lasa import _hub
from lasa.timer import Calendar, calendar, pending_count, running_count
from tests.helpers import settle
from tests.servers import Server, find_binary, memcached_server, nginx_server, redis_server

TEST_DEADLINE_S = 120  # unless a test is marked with another


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything is installed (LASA_NO_SKIPS), a skipped test is a failed run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("LASA_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("LASA_NO_SKIPS is set, and tests were skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def deadline(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that hangs ends the run with every stack, instead of hanging the run."""
    mark = request.node.get_closest_marker("deadline_s")
    faulthandler.dump_traceback_later(mark.args[0] if mark else TEST_DEADLINE_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


class Certificates:
    """Files of an authority, and of certificates that it signed."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.ca = str(folder / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, *names: str) -> str:
        """Return the path of a file with a certificate for ``names`` and its key."""
        path = self._folder / f"{'-'.join(names).replace(':', '_').replace('*', 'any')}.pem"
        if not path.exists():
            self._authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(path))
        return str(path)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def redis() -> Iterator[Server]:
    binary = find_binary("redis-server", package="redis-server")
    with redis_server(binary) as server:
        yield server


@pytest.fixture(scope="session")
def memcached() -> Iterator[Server]:
    binary = find_binary("memcached", package="memcached")
    with memcached_server(binary) as server:
        yield server


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Server]:
    binary = find_binary("nginx", package="nginx")
    with nginx_server(binary, tmp_path_factory.mktemp("nginx"), certificates.issue("localhost")) as server:
        yield server


@pytest.fixture
def fresh_calendar() -> Iterator[Calendar]:
    """Each test has timers, counts and limits of its own, and leaves nothing pending or running."""
    extras = _hub.scheduler().extras
    extras.pop("calendar", None)
    yield calendar()
    settle()
    assert (pending_count(), running_count()) == (0, 0)
    del extras["calendar"]
