"""Real servers, started on free loopback ports when their binary is there, and ended by their id."""

from __future__ import annotations

import os
import shutil
import socket as stdlib_socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gevent import monkey

START_DEADLINE_S = 20.0
POLL_S = 0.01

# Unpatched, so that a probe means the same after monkey.patch_all().
_sleep: Any = monkey.get_original("time", "sleep")
_socket_class: Any = monkey.get_original("socket", "socket")


@dataclass(frozen=True)
class Server:
    """Where a server listens; ``tls_port`` is 0 where it has none."""

    host: str
    port: int
    pid: int
    tls_port: int = 0


def find_binary(name: str, *, package: str) -> str:
    """Return the path of a server's binary, or skip the test, saying what to install."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path


def free_port() -> int:
    with _socket_class(stdlib_socket.AF_INET, stdlib_socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, *, folder: str) -> Iterator[int]:
    """Run ``command`` until the body ends; the body starts when ``port`` answers. Yields the process id."""
    log_path = os.path.join(folder, "server.log")
    with open(log_path, "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        _wait_until_it_answers(process, port, log_path)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_answers(process: Any, port: int, log_path: str) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while True:
        with _socket_class(stdlib_socket.AF_INET, stdlib_socket.SOCK_STREAM) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline_s:
            pytest.fail(f"the server did not start: {Path(log_path).read_text(errors='replace')}")
        _sleep(POLL_S)


@contextmanager
def redis_server(binary: str) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with running(command, port, folder=folder) as pid:
            yield Server("127.0.0.1", port, pid)


@contextmanager
def memcached_server(binary: str) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "nobody", "-t", "1"]
        with running(command, port, folder=folder) as pid:
            yield Server("127.0.0.1", port, pid)


NGINX_CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {certificate}; ssl_certificate_key {certificate};
        location / {{ default_type text/plain; return 200 "Hello, world!"; }}
    }}
}}
"""


@contextmanager
def nginx_server(binary: str, folder: Path, certificate: str) -> Iterator[Server]:
    port, tls_port = free_port(), free_port()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, port=port, tls_port=tls_port, certificate=certificate))
    command = [binary, "-p", str(folder), "-c", str(conf), "-e", "stderr"]
    with running(command, port, folder=str(folder)) as pid:
        yield Server("127.0.0.1", port, pid, tls_port)
