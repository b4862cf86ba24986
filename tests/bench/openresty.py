"""OpenResty as a contestant: a Debian nginx with the Lua module, of one process, that runs a script of this folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench.harness import NotInstalled
from tests.bench.http_apps import Serving, free_port, running
from tests.bench.lua_scripts import DEADLINE_S, SCRIPTS

__all__ = ["in_openresty", "openresty"]

MODULES: Final = ("ndk_http_module.so", "ngx_http_lua_module.so")
MODULE_FOLDERS: Final = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules")

CONF: Final = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /run {{ content_by_lua_file {folder}/run.lua; }}
        location = / {{ default_type text/plain; content_by_lua_file {file}; }}
    }}
}}
"""

# /run is the script with arguments, as `lasa run` gives them to it.
RUN: Final = """
local arguments = {{}}
for word in ngx.unescape_uri(ngx.var.args):gmatch("%S+") do arguments[#arguments + 1] = word end
return assert(loadfile("{file}"))(unpack(arguments))
"""


@contextmanager
def openresty(script: str) -> Iterator[Serving]:
    """Run nginx with a script of SCRIPTS as what answers.

    Raises:
        NotInstalled: nginx or its Lua module is not there.
    """
    binary, modules = _find_nginx()
    port = free_port()
    file = SCRIPTS / script
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "run.lua").write_text(RUN.format(file=file))
        conf = Path(folder, "nginx.conf")
        conf.write_text(CONF.format(modules=modules, folder=folder, port=port, file=file))
        with running([binary, "-p", folder, "-c", str(conf), "-e", "stderr"], port) as pid:
            yield Serving(port, pid)


def in_openresty(script: str, *arguments: object) -> str:
    """Run a script inside nginx, and return what it says; raises as openresty()."""
    with openresty(script) as server:
        query = urllib.parse.quote(" ".join(map(str, arguments)))
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/run?{query}", timeout=DEADLINE_S) as answer:
            said: bytes = answer.read()
    return said.decode()


def _find_nginx() -> tuple[str, str]:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    for folder in MODULE_FOLDERS:
        if binary and all(os.path.exists(f"{folder}/{name}") for name in MODULES):
            return binary, folder
    raise NotInstalled("apt-get install nginx libnginx-mod-http-lua")
