"""Real servers, started on free loopback ports when their binary is there, and ended by their id."""

from __future__ import annotations

import os
import random
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
    """Where a server listens; ``tls_port`` is 0 where it has none.

    Of nginx: ``mutual_port`` demands a client's certificate (0 if no authority was given), ``proxy_port`` forwards what
    is asked for by a whole URL, and ``folder`` has its files (``files``), its sockets (``nginx.sock``; what is below
    /lasa/ goes to ``lasa.sock``) and what was uploaded (``uploads``).
    """

    host: str
    port: int
    pid: int
    tls_port: int = 0
    mutual_port: int = 0
    proxy_port: int = 0
    folder: Path = Path()

    @property
    def url(self) -> str:
        """Its plain address as a URL without a path."""
        return f"http://{self.host}:{self.port}"


def find_binary(name: str, *, package: str) -> str:
    """Return the path of a server's binary, or skip the test, saying what to install."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path


def _lowest_of_the_system() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32768


# Below the ports that the system gives to connects, which would take one before its server is there.
_PORTS = range(10_000, max(20_000, _lowest_of_the_system()))
_given_ports: set[int] = set()
_choose = random.SystemRandom()  # several runs at a time, whose tests seed the other one alike


def free_port() -> int:
    """Return a port of 127.0.0.1 where nobody listens, another one each time."""
    while True:
        port = _choose.choice(_PORTS)
        with _socket_class(stdlib_socket.AF_INET, stdlib_socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:  # it is in use
                continue
        if port not in _given_ports:
            _given_ports.add(port)
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
    ssl_protocols TLSv1.2 TLSv1.3;
    types {{ text/plain txt; application/octet-stream bin; }}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        listen unix:{folder}/nginx.sock;
        ssl_certificate {certificate}; ssl_certificate_key {certificate};
        location / {{ default_type text/plain; return 200 "Hello, world!"; }}

        location /files/ {{ root {folder}; }}
        location /gzip/ {{ alias {folder}/files/; gzip on; gzip_types *; gzip_min_length 1; }}
        location /chunked/ {{ alias {folder}/files/; ssi on; ssi_types *; }}
        location /unframed/ {{ alias {folder}/files/; ssi on; ssi_types *; chunked_transfer_encoding off; }}
        location /uploads/ {{ root {folder}; dav_methods PUT DELETE; client_max_body_size 64m; }}
        location /small/ {{ client_max_body_size 10; proxy_pass http://unix:{folder}/lasa.sock:/; }}
        location /lasa/ {{
            proxy_pass http://unix:{folder}/lasa.sock:/; proxy_http_version 1.1;
            proxy_request_buffering off; proxy_buffering off;
        }}

        location = /echo {{ return 200 "$request_method|$http_x_foo|$request_uri|$http_host"; }}
        location = /connection {{ return 200 "$connection $connection_requests"; }}
        location = /twice {{ keepalive_requests 2; return 200 "$connection $connection_requests"; }}
        location = /brief {{ keepalive_timeout 50ms; return 200 "$connection $connection_requests"; }}
        location = /204 {{ return 204; }}
        location = /304 {{ return 304; }}
        location ~ ^/redirect/(?<code>30[12378])$ {{
            if ($code = 301) {{ return 301 /echo; }}
            if ($code = 302) {{ return 302 /echo; }}
            if ($code = 303) {{ return 303 /echo; }}
            if ($code = 307) {{ return 307 /echo; }}
            return 308 /echo;
        }}
        location /rewritten/ {{ rewrite ^/rewritten/(.*)$ /files/$1 permanent; }}
        location = /loop {{ return 302 /loop; }}
        location = /to-tls {{ return 302 https://localhost:{tls_port}/echo; }}
        location = /to-plain {{ return 302 http://localhost:{port}/echo; }}
        location = /secret {{
            auth_basic "here"; auth_basic_user_file {folder}/users;
            alias {folder}/files/hello.txt;
        }}
    }}
    server {{
        listen 127.0.0.1:{proxy_port};
        location / {{ proxy_pass http://$http_host$request_uri; proxy_set_header X-Foo "through nginx"; }}
    }}
    {mutual}
}}
"""

NGINX_MUTUAL = """
    server {{
        listen 127.0.0.1:{mutual_port} ssl;
        ssl_certificate {certificate}; ssl_certificate_key {certificate};
        ssl_client_certificate {client_ca}; ssl_verify_client on;
        location / {{ return 200 "$ssl_client_s_dn"; }}
    }}
"""

NGINX_FILES = {
    "hello.txt": b"Hello, world!",
    "lines.txt": b"".join(b"line %d\n" % number for number in range(1, 2001)),
    "empty.txt": b"",
    "1m.bin": bytes(range(256)) * 4096,
    "8m.bin": bytes(range(255, -1, -1)) * 32768,
}


@contextmanager
def nginx_server(
    binary: str, folder: Path, certificate: str, *, client_ca: str | None = None, port: int | None = None
) -> Iterator[Server]:
    """Run nginx; with ``client_ca``, also at a port that demands certificates of that authority."""
    tls_port, mutual_port, proxy_port = free_port(), free_port() if client_ca else 0, free_port()
    port = port or free_port()
    for name in ("files", "uploads"):
        (folder / name).mkdir(exist_ok=True)
    for name, data in NGINX_FILES.items():
        (folder / "files" / name).write_bytes(data)
    (folder / "users").write_text("user:{PLAIN}pass word\n")
    names = {"folder": folder, "certificate": certificate, "client_ca": client_ca, "mutual_port": mutual_port}
    mutual = NGINX_MUTUAL.format(**names) if client_ca else ""
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(**names, port=port, tls_port=tls_port, proxy_port=proxy_port, mutual=mutual))
    command = [binary, "-p", str(folder), "-c", str(conf), "-e", "stderr"]
    with running(command, port, folder=str(folder)) as pid:
        yield Server("127.0.0.1", port, pid, tls_port, mutual_port, proxy_port, folder)
