"""Both sides of the comparison: a real nginx with lua-nginx-module, and lasa, next to the same servers.

Everything listens on 127.0.0.1 on free ports, has a folder of its own, and is ended by its process when the body of
its ``with`` ends. Both sides run in the folder of the scripts, so that messages name a script in the same way, have
the same modules (share/), the same resolver and authority, and learn from PARITY_PEERS where the servers are.
"""

from __future__ import annotations

import os
import socket as stdlib_socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import original_socket_class
from tests.lua.parity.script import SCRIPTS, SHARE, Script
from tests.processes import ROOT
from tests.servers import find_binary, free_port, running

__all__ = ["MODULE_VERSION", "Answer", "ask", "lasa_run", "lasa_serve", "peers", "real_nginx", "say"]

MODULES = Path("/usr/lib/nginx/modules")
MODULE_VERSION = "10023"  # what the recorded outputs are from: 0.10.23
DEADLINE_S = 10.0

# With a master process: the Lua module of 1.22 may crash its worker behind an error in coroutine.wrap(), and the next
# script then has a new one. Debian's lua-nginx-string has lua-resty-string's modules under names of its own; scripts
# ask for the usual ones.
NGINX_CONF = """
load_module {modules}/ndk_http_module.so; load_module {modules}/ngx_http_lua_module.so;
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log notice; worker_processes 1; {user}
env PARITY_PEERS;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    resolver 127.0.0.1:{dns} ipv6=off; resolver_timeout {resolver_timeout_s}s;
    lua_package_path "{share}/?.lua;/usr/share/lua/5.1/?.lua;;";
    lua_shared_dict dict 1m; lua_shared_dict other 1m; lua_shared_dict small 32k;
    lua_socket_log_errors off; lua_check_client_abort on;
    lua_socket_connect_timeout {socket_timeout_s}s; lua_socket_send_timeout {socket_timeout_s}s;
    lua_socket_read_timeout {socket_timeout_s}s;
    lua_ssl_trusted_certificate {authority};
    init_by_lua_block {{
        local loader = function(name)
            local path = name:match("^resty(%.%w+)$")
            path = path and package.searchpath("nginx" .. path, package.path)
            return path and loadfile(path)
        end
        table.insert(package.loaders, 3, loader)
    }}
    server {{
        listen 127.0.0.1:{port};
        location = /version {{ content_by_lua_block {{ ngx.print(ngx.config.ngx_lua_version) }} }}
        location / {{ content_by_lua_file {share}/front.lua; }}
    }}
}}
"""
RESOLVER_TIMEOUT_S = 1
SOCKET_TIMEOUT_S = 5  # what a script forgets to limit ends all the same

Places = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What came back for a request: the body without its chunks."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def shown(self, script: Script) -> bytes:
        """What of it is compared, as it is recorded: the status, the headers that the script names, the body."""
        if script.by_run:
            return self.body
        lines = [self.status]
        for name in script.shows:
            if name not in ("status", "body"):
                found = [f"{name}: {value}" for key, value in self.headers if key.lower() == name.lower()]
                lines += found or [f"{name} is not there"]
        body = self.body if "body" in script.shows else b""
        return "\n".join([*lines, "", ""]).encode("latin-1") + body


@contextmanager
def peers(folder: Path) -> Iterator[Places]:
    """Run the servers that the scripts talk to; yields where each is, by its name."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    process: Any = subprocess.Popen(
        [sys.executable, "-m", "tests.lua.parity.peers", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    try:
        yield dict(place.split("=", 1) for place in process.stdout.readline().split())
    finally:
        process.stdin.close()  # its sign to end
        process.stdout.close()
        process.wait(DEADLINE_S)


def _environment(places: Places) -> dict[str, str]:
    peers_text = " ".join(f"{name}={place}" for name, place in places.items())
    return {"PARITY_PEERS": peers_text}


def _lasa_environment(places: Places) -> dict[str, str]:
    """The settings that nginx has as directives."""
    return _environment(places) | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LUA_PATH": f"{SHARE}/?.lua;;",
        "LASA_RESOLVER": f"127.0.0.1:{places['dns']}",
        "LASA_RESOLVER_TIMEOUT": str(RESOLVER_TIMEOUT_S * 1000),
        "LASA_SHARED_DICT": "dict=1m other=1m small=32k",
        "LASA_SOCKET_CONNECT_TIMEOUT": str(SOCKET_TIMEOUT_S * 1000),
        "LASA_SOCKET_SEND_TIMEOUT": str(SOCKET_TIMEOUT_S * 1000),
        "LASA_SOCKET_READ_TIMEOUT": str(SOCKET_TIMEOUT_S * 1000),
        "LASA_SOCKET_LOG_ERRORS": "off",
        "LASA_SSL_TRUSTED_CERTIFICATE": f"{places['folder']}/ca.pem",
    }


def _in_the_scripts_folder(command: list[str], environment: dict[str, str]) -> list[str]:
    return ["env", "-C", str(SCRIPTS), *(f"{name}={value}" for name, value in environment.items()), *command]


@contextmanager
def real_nginx(folder: Path, places: Places) -> Iterator[int]:
    """Run nginx with its Lua module; yields its port. Skips the test where they are not installed."""
    binary = find_binary("nginx", package="nginx")
    if not (MODULES / "ngx_http_lua_module.so").exists():
        pytest.skip(
            "nginx has no Lua module: apt-get install libnginx-mod-http-lua lua-resty-core lua-nginx-string lua-cjson"
        )
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(
        NGINX_CONF.format(
            modules=MODULES,
            folder=folder,
            share=SHARE,
            port=port,
            dns=places["dns"],
            authority=f"{places['folder']}/ca.pem",
            resolver_timeout_s=RESOLVER_TIMEOUT_S,
            socket_timeout_s=SOCKET_TIMEOUT_S,
            user="" if os.geteuid() else "user root;",  # who may read the scripts and the folders
        )
    )
    command = [binary, "-p", str(folder), "-c", str(conf), "-e", str(folder / "start.log")]
    with running(_in_the_scripts_folder(command, _environment(places)), port, folder=str(folder)):
        version = say(port, b"GET /version HTTP/1.0\r\n\r\n").body.decode()
        if version != MODULE_VERSION:
            pytest.skip(f"the recorded outputs are of version {MODULE_VERSION} of the Lua module; this is {version}")
        yield port


@contextmanager
def lasa_serve(folder: Path, places: Places) -> Iterator[int]:
    """Run ``lasa serve`` with the same front as nginx has; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "lasa", "serve", str(SHARE / "front.lua"), "--listen", f"127.0.0.1:{port}"]
    command += ["--grace", "1", "--access-log", "off"]
    with running(_in_the_scripts_folder(command, _lasa_environment(places)), port, folder=str(folder)):
        yield port


def lasa_run(script: Script, places: Places) -> Any:
    """Run a script by ``lasa run``, to its end; returns the process with its outputs and its exit status."""
    return subprocess.run(
        [sys.executable, "-m", "lasa", "run", script.path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=SCRIPTS,
        env={**os.environ, **_lasa_environment(places)},
        timeout=DEADLINE_S,
        check=False,
    )


def ask(port: int, script: Script) -> Answer:
    """Send the request that a script wants."""
    return say(port, script.request_bytes(), port)


def say(port: int, request: bytes, hidden_port: int | None = None) -> Answer:
    """Send a request, read until the connection ends; ``hidden_port`` reads PORT where the answer names it."""
    answer = b""
    with original_socket_class()(stdlib_socket.AF_INET, stdlib_socket.SOCK_STREAM) as sock:
        sock.settimeout(DEADLINE_S)
        sock.connect(("127.0.0.1", port))
        sock.sendall(request)
        while data := sock.recv(65536):
            answer += data
    if hidden_port is not None:
        answer = answer.replace(b":%d" % hidden_port, b":PORT")
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return Answer("the connection ended without an answer", [], answer)
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    is_chunked = any(name.lower() == "transfer-encoding" and value.lower() == "chunked" for name, value in headers)
    if is_chunked and not request.startswith(b"HEAD "):
        body = _without_chunks(body)
    return Answer(status, headers, body)


def _without_chunks(body: bytes) -> bytes:
    data = b""
    while True:
        size_text, line_end, body = body.partition(b"\r\n")
        if not line_end:
            return data + b"[the last chunk is missing]"
        size = int(size_text, 16)
        if size == 0:
            return data
        data, body = data + body[:size], body[size + 2 :]
