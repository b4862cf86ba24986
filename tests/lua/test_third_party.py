"""Lua libraries that others wrote for OpenResty, as Debian has them, over ``lasa run`` and ``lasa serve``.

Each script of third_party/ puts one library to work with the real server it is for, and says a line for each of its
cases. Where no package has a library (MySQL, HTTP, forms in parts), the script has a small client of its own that uses
cosockets in the same way. With LASA_TEST_LUALIB, a folder that has resty/redis.lua and so on, the libraries from there
are put to work as well.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Certificates
from tests.processes import ROOT, program
from tests.servers import Server, find_binary, free_port, running

SCRIPTS = Path(__file__).parent / "third_party"
DEADLINE_S = 60.0
LUALIB = os.environ.get("LASA_TEST_LUALIB")
MODULES = ["-I", str(SCRIPTS), *(("-I", LUALIB) if LUALIB else ())]

# Where Debian's packages put Lua modules.
DEBIAN = Path("/usr/share/lua/5.1")

# script -> the module that it needs, and the package that has it.
DEBIANS = {
    "redis": ("nginx.redis", "lua-nginx-redis"),
    "redis_connector": ("nginx.redis.connector", "lua-nginx-redis-connector"),
    "memcached": ("nginx.memcached", "lua-nginx-memcached"),
    "dns": ("nginx.dns.resolver", "lua-nginx-dns"),
    "websocket": ("nginx.websocket.client", "lua-nginx-websocket"),
    "cookie": ("nginx.cookie", "lua-nginx-cookie"),
    "cryptography": ("nginx.sha512", "lua-nginx-string"),
    "lrucache": ("resty.lrucache", "lua-resty-lrucache"),
}


@contextmanager
def serving() -> Iterator[int]:
    """Run ``lasa serve content.lua``; yields its port."""
    command = ["serve", str(SCRIPTS / "content.lua"), "--listen", "127.0.0.1:0", *MODULES]
    with program(SCRIPTS, *command, "--access-log", "off", "--log-level", "error") as content:
        yield int(content.line_with(r"lasa serving http://127\.0\.0\.1:(\d+)")[1])


@pytest.fixture(scope="module")
def redis_with_socket() -> Iterator[Server]:
    binary = find_binary("redis-server", package="redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--unixsocket", f"{folder}/redis"]
        with running(command, port, folder=folder) as pid:
            yield Server("127.0.0.1", port, pid)


@pytest.fixture
def sentinel_port(redis_with_socket: Server) -> Iterator[int]:
    binary = find_binary("redis-server", package="redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "sentinel.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor mine 127.0.0.1 {redis_with_socket.port} 1\n"
        )
        with running([binary, str(settings), "--sentinel"], port, folder=folder):
            yield port


@pytest.fixture
def mariadb(certificates: Certificates) -> Iterator[tuple[int, str]]:
    """A MariaDB of its own: its port, and its unix socket, over which root needs no password."""
    install = find_binary("mariadb-install-db", package="mariadb-server")
    binary = find_binary("mariadbd", package="mariadb-server")
    port = free_port()
    user = getpass.getuser()
    certificate = certificates.issue("localhost")
    with tempfile.TemporaryDirectory() as folder:
        common = [
            f"--datadir={folder}/data",
            f"--user={user}",
            "--innodb-log-file-size=8M",
            "--innodb-buffer-pool-size=32M",
        ]
        subprocess.run(
            [install, "--no-defaults", *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
            timeout=DEADLINE_S,
        )
        first = Path(folder) / "first.sql"
        first.write_text(
            "create database ngx_test;\ncreate user lasa identified by 'pass word';\ngrant all on ngx_test.* to lasa;\n"
        )
        command = [
            binary,
            "--no-defaults",
            *common,
            f"--socket={folder}/s",
            f"--port={port}",
            "--bind-address=127.0.0.1",
        ]
        command += ["--skip-name-resolve", "--max-allowed-packet=64M", f"--init-file={first}"]
        command += [f"--ssl-cert={certificate}", f"--ssl-key={certificate}", "--innodb-flush-log-at-trx-commit=0"]
        with running(command, port, folder=folder):
            yield port, f"{folder}/s"


def run_script(name: str, prefix: str, *arguments: object, certificates: Certificates) -> None:
    """Run a script; the test fails unless each of its cases is fine and nothing else is said."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("LASA_TEST_PATCHED", None)
    environment["LASA_SSL_TRUSTED_CERTIFICATE"] = certificates.ca
    environment["LASA_SOCKET_LOG_ERRORS"] = "off"
    script = SCRIPTS / f"{name}.lua"
    command = [sys.executable, "-m", "lasa", "run", *MODULES, str(script), prefix]
    command += [str(argument) for argument in arguments]
    ended: Any = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=DEADLINE_S)
    lines = ended.stdout.splitlines()
    wrong = [line for line in lines if not line.startswith("ok ")]
    assert not wrong, "\n".join(wrong)
    assert len(lines) >= len(re.findall(r"^ *case\(", script.read_text(), re.MULTILINE)), ended.stderr
    assert ended.returncode == 0, ended.stderr


def prefixes(script: str) -> list[Any]:
    """Return what the names of a library's modules begin with, wherever it is installed."""
    module, _ = DEBIANS[script]
    family, _, name = module.partition(".")
    found = [f"{family}."]
    if LUALIB and family != "resty" and (Path(LUALIB) / f"resty/{name.replace('.', '/')}.lua").exists():
        found.append("resty.")
    return found


def find_library(script: str) -> None:
    """Skip the test where the package is not installed."""
    module, package = DEBIANS[script]
    if not (DEBIAN / f"{module.replace('.', '/')}.lua").exists():
        pytest.skip(f"{module} is not installed: apt-get install {package}")


@pytest.mark.parametrize("prefix", prefixes("redis"))
def test_redis(prefix: str, redis_with_socket: Server, certificates: Certificates) -> None:
    find_library("redis")
    run_script("redis", prefix, redis_with_socket.port, certificates=certificates)


@pytest.mark.parametrize("prefix", prefixes("redis_connector"))
def test_redis_connector(
    prefix: str, redis_with_socket: Server, sentinel_port: int, certificates: Certificates
) -> None:
    find_library("redis_connector")
    run_script("redis_connector", prefix, redis_with_socket.port, sentinel_port, certificates=certificates)


@pytest.mark.parametrize("prefix", prefixes("memcached"))
def test_memcached(prefix: str, memcached: Server, certificates: Certificates) -> None:
    find_library("memcached")
    run_script("memcached", prefix, memcached.port, certificates=certificates)


@pytest.mark.parametrize("script", ["dns", "cryptography", "lrucache"])
def test_libraries_that_need_no_server(script: str, certificates: Certificates) -> None:
    find_library(script)
    for prefix in prefixes(script):
        run_script(script, prefix, certificates=certificates)


@pytest.mark.parametrize("prefix", prefixes("websocket"))
def test_websockets_on_both_sides(prefix: str, certificates: Certificates) -> None:
    find_library("websocket")
    with serving() as port:
        run_script("websocket", prefix, port, certificates.issue("localhost"), certificates=certificates)


@pytest.mark.parametrize("prefix", prefixes("cookie"))
def test_cookies_in_a_handler(prefix: str, certificates: Certificates) -> None:
    find_library("cookie")
    with serving() as port:
        run_script("cookie", prefix, port, certificates=certificates)


def test_mysql_s_protocol(mariadb: tuple[int, str], certificates: Certificates) -> None:
    run_script("mysql", "", *mariadb, certificates=certificates)


def test_http_and_tls_to_nginx(nginx: Server, certificates: Certificates) -> None:
    run_script("http", "", nginx.port, nginx.tls_port, certificates=certificates)


def test_forms_in_parts_read_as_they_come(certificates: Certificates) -> None:
    with serving() as port:
        run_script("upload", "", port, certificates=certificates)
