"""The round trip row's OpenResty contestant: a Debian nginx with the Lua module, one process, cosockets.

An HTTP request starts the loop inside nginx, whose CPU is read before and after it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Final

from tests.bench.harness import Figures, Job, NotInstalled

__all__ = ["openresty_cosockets"]

MODULES: Final = ("ndk_http_module.so", "ngx_http_lua_module.so")
MODULE_FOLDERS: Final = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules")
DEADLINE_S: Final = 100

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
    }}
}}
"""

# The connections are kept from the request that warms up to the one that is measured.
LUA: Final = """
local host, port = ngx.var.arg_host, tonumber(ngx.var.arg_port)
local count, connections = tonumber(ngx.var.arg_count), tonumber(ngx.var.arg_connections)

local function client()
    local sock = ngx.socket.tcp()
    sock:settimeout(30000)
    assert(sock:connect(host, port, {pool = "redis", pool_size = connections}))
    for _ = 1, count do
        sock:send("PING\\r\\n")
        local line, err = sock:receive("*l")
        if line ~= "+PONG" then
            error(err or line)
        end
    end
    assert(sock:setkeepalive(60000, connections))
end

local threads = {}
for i = 1, connections do
    threads[i] = assert(ngx.thread.spawn(client))
end
for i = 1, connections do
    local ok, err = ngx.thread.wait(threads[i])
    if not ok then
        ngx.status = 500
        ngx.say(err)
        return
    end
end
ngx.say("done")
"""


def openresty_cosockets(job: Job, connections: int) -> Figures:
    """Run the loop in nginx.

    Raises:
        NotInstalled: nginx or its Lua module is not there.
    """
    from tests.servers import free_port, running

    binary, modules = _find_nginx()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "run.lua").write_text(LUA)
        conf = Path(folder, "nginx.conf")
        conf.write_text(CONF.format(modules=modules, folder=folder, port=port))
        with running([binary, "-p", folder, "-c", str(conf), "-e", "stderr"], port, folder=folder) as pid:
            url = f"http://127.0.0.1:{port}/run?host={job.host}&port={job.port}&connections={connections}&count="
            _get(url + str(job.warm_up // connections + 1))
            each = max(1, job.count // connections)
            wall_s, cpu_s = -time.perf_counter(), -_cpu_s_of(pid)
            _get(url + str(each))
            wall_s, cpu_s = wall_s + time.perf_counter(), cpu_s + _cpu_s_of(pid)
    count = each * connections
    return {"cpu_us": cpu_s / count * 1e6, "wall_us": wall_s / count * 1e6}


def _find_nginx() -> tuple[str, str]:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    for folder in MODULE_FOLDERS:
        if binary and all(os.path.exists(f"{folder}/{name}") for name in MODULES):
            return binary, folder
    raise NotInstalled("apt-get install nginx libnginx-mod-http-lua")


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
        assert answer.read() == b"done\n"


def _cpu_s_of(pid: int) -> float:
    """User and system time of a process with one OS thread; /proc/PID/stat counts in hundredths only."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
