"""HTTP clients and Debian's nginx: small answers over kept connections, and a large download.

Each client is used as its documentation has it for many requests at once: one client object, as many connections as
callers, 30 s in force. What can be called from OS threads and from greenlets is called from where it takes less:
urllib3 and httpx from OS threads, requests from greenlets of a patched process.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.harness import (
    MEGABYTE,
    Comparison,
    Contestant,
    Figures,
    Job,
    Meter,
    NotInstalled,
    Row,
    by_callers,
    optional_module,
)
from tests.bench.http_apps import HELLO, free_port, running

__all__ = ["ROWS"]

CALLERS: Final = 20
TIMEOUT_S: Final = 30.0
FILE_SIZE: Final = 64 * MEGABYTE
READ_SIZE: Final = 262_144

# keepalive_requests: a connection is closed after 1,000 by default, which would make some contestants connect again.
CONF: Final = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location = / {{ default_type text/plain; return 200 "{hello}"; }}
        location = /large {{ root {folder}; }}
    }}
}}
"""


@contextmanager
def nginx() -> Iterator[tuple[str, int]]:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if binary is None:
        raise NotInstalled("apt-get install nginx")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder, "nginx.conf")
        conf.write_text(CONF.format(folder=folder, port=port, hello=HELLO.decode()))
        with Path(folder, "large").open("wb") as file:
            file.truncate(FILE_SIZE)
        with running([binary, "-p", folder, "-c", str(conf), "-e", "stderr"], port):
            yield "127.0.0.1", port


def url_of(job: Job, path: str = "/") -> str:
    return f"http://{job.host}:{job.port}{path}"


def expect(status: int, body: bytes) -> None:
    if status != 200 or body != HELLO:
        raise ValueError(f"{status}, {body!r}")


def lasa_threads(job: Job) -> Figures:
    from lasa import check, thread
    from lasa.http import client

    hc, url = check(client.new(pool_size=CALLERS)), url_of(job)

    def caller(count: int) -> None:
        for _ in range(count):
            ok, resp, _ = hc.request(url=url)
            if not ok:
                raise ValueError(resp)
            expect(resp.code, resp.body)

    def run(count: int) -> None:
        for running_thread in [thread.spawn(caller, count) for _ in range(CALLERS)]:
            check(thread.wait(running_thread))

    return by_callers(job, CALLERS, run)


def greenlets(job: Job, caller: Callable[[int], None]) -> Figures:
    """Measure CALLERS greenlets that make so many requests each."""
    import gevent

    return by_callers(
        job,
        CALLERS,
        lambda count: gevent.joinall([gevent.spawn(caller, count) for _ in range(CALLERS)], raise_error=True),
    )


def geventhttpclient_greenlets(job: Job) -> Figures:
    client = optional_module("geventhttpclient").HTTPClient(
        job.host, job.port, concurrency=CALLERS, connection_timeout=TIMEOUT_S, network_timeout=TIMEOUT_S
    )

    def caller(count: int) -> None:
        for _ in range(count):
            answer = client.get("/")
            expect(answer.status_code, bytes(answer.read()))

    return greenlets(job, caller)


def aiohttp_tasks(job: Job) -> Figures:
    import asyncio

    aiohttp, url = optional_module("aiohttp"), url_of(job)

    async def caller(session: Any, count: int) -> None:
        for _ in range(count):
            async with session.get(url) as answer:
                expect(answer.status, await answer.read())

    async def open_session() -> Any:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CALLERS), timeout=timeout)

    async def run(session: Any, count: int) -> None:
        await asyncio.gather(*(caller(session, count) for _ in range(CALLERS)))

    with asyncio.Runner() as runner:
        session = runner.run(open_session())
        return by_callers(job, CALLERS, lambda count: runner.run(run(session, count)))


def httpx_tasks(job: Job) -> Figures:
    import asyncio

    httpx, url = optional_module("httpx"), url_of(job)

    async def caller(client: Any, count: int) -> None:
        for _ in range(count):
            answer = await client.get(url)
            expect(answer.status_code, answer.content)

    async def run(client: Any, count: int) -> None:
        await asyncio.gather(*(caller(client, count) for _ in range(CALLERS)))

    limits = httpx.Limits(max_connections=CALLERS, max_keepalive_connections=CALLERS)
    client = httpx.AsyncClient(limits=limits, timeout=TIMEOUT_S)
    with asyncio.Runner() as runner:
        return by_callers(job, CALLERS, lambda count: runner.run(run(client, count)))


def os_threads(job: Job, caller: Callable[[int], None]) -> Figures:
    """Measure CALLERS OS threads that make so many requests each."""
    failures: list[Exception] = []

    def guarded(count: int) -> None:
        try:
            caller(count)
        except Exception as error:
            failures.append(error)

    def run(count: int) -> None:
        threads = [threading.Thread(target=guarded, args=(count,)) for _ in range(CALLERS)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        if failures:
            raise failures[0]

    return by_callers(job, CALLERS, run)


def urllib3_threads(job: Job) -> Figures:
    pool = optional_module("urllib3").PoolManager(num_pools=1, maxsize=CALLERS, block=True, timeout=TIMEOUT_S)
    url = url_of(job)

    def caller(count: int) -> None:
        for _ in range(count):
            answer = pool.request("GET", url)
            expect(answer.status, answer.data)

    return os_threads(job, caller)


def httpx_threads(job: Job) -> Figures:
    httpx, url = optional_module("httpx"), url_of(job)
    limits = httpx.Limits(max_connections=CALLERS, max_keepalive_connections=CALLERS)
    client = httpx.Client(limits=limits, timeout=TIMEOUT_S)

    def caller(count: int) -> None:
        for _ in range(count):
            answer = client.get(url)
            expect(answer.status_code, answer.content)

    return os_threads(job, caller)


def requests_greenlets(job: Job) -> Figures:
    from gevent import monkey

    monkey.patch_all()
    requests, url = optional_module("requests"), url_of(job)
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=CALLERS, pool_block=True))

    def caller(count: int) -> None:
        for _ in range(count):
            answer = session.get(url, timeout=TIMEOUT_S)
            expect(answer.status_code, answer.content)

    return greenlets(job, caller)


def peak_kb() -> tuple[int, int]:
    """This process's memory (RSS) now and at its highest, in KB."""
    kilobytes = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            kilobytes[name] = int(value.split()[0])
    return kilobytes["VmRSS"], kilobytes["VmHWM"]


def downloaded(job: Job, begin: Callable[[str], Callable[[], int]]) -> Figures:
    """Measure downloads: ``begin`` gets the URL's path and returns what reads to the end and tells how much it was."""
    begin("/")()
    # The peak counts from here on.
    Path("/proc/self/clear_refs").write_text("5")
    before_kb, _ = peak_kb()
    for count in (job.warm_up, job.count):
        with Meter() as meter:
            for _ in range(count):
                size = begin("/large")()
                if size != FILE_SIZE:
                    raise ValueError(f"{size} bytes of {FILE_SIZE}")
    figures = meter.per_megabyte(job.count * FILE_SIZE)
    return {**figures, "growth_kb": float(peak_kb()[1] - before_kb)}


def lasa_stream(job: Job) -> Figures:
    from lasa import check
    from lasa.http import client

    hc = check(client.new())

    def begin(path: str) -> Callable[[], int]:
        ok, resp, _ = hc.request(url=url_of(job, path), stream=True)
        if not ok:
            raise ValueError(resp)
        return lambda: sum(len(piece) for piece in resp.pieces())

    return downloaded(job, begin)


def lasa_receiveany(job: Job) -> Figures:
    """The least that a download takes: nothing looks at the answer but for its length."""
    from lasa import check, socket

    sock = check(socket.connect(job.host, job.port))

    def begin(path: str) -> Callable[[], int]:
        check(sock.send(f"GET {path} HTTP/1.1\r\nHost: {job.host}\r\n\r\n"))
        length = 0
        while line := check(sock.receive("*l")):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)

        def read() -> int:
            left = length
            while left:
                data, err, _ = sock.receiveany(READ_SIZE)
                if data is None:
                    raise ValueError(err)
                left -= len(data)
            return length

        return read

    return downloaded(job, begin)


COUNT: Final = 20_000
DOWNLOADS: Final = (1 << 30) // FILE_SIZE

ROWS: Final = (
    Row(
        name="http-client",
        title=f"GET of {len(HELLO)} bytes from nginx over kept connections, {CALLERS} at once",
        figures={"cpu_us": "CPU µs", "wall_us": "wall µs"},
        contestants=(
            Contestant("lasa", lasa_threads, COUNT),
            Contestant("geventhttpclient", geventhttpclient_greenlets, COUNT),
            Contestant("aiohttp on asyncio", aiohttp_tasks, COUNT),
            Contestant("urllib3, OS threads", urllib3_threads, COUNT),
            Contestant("requests on gevent", requests_greenlets, COUNT),
            Contestant("httpx, OS threads", httpx_threads, COUNT),
            Contestant("httpx on asyncio", httpx_tasks, COUNT),
        ),
        comparisons=(
            Comparison("lasa", "geventhttpclient", "≤ 1.0"),
            Comparison("lasa", "aiohttp on asyncio", "≤ 0.7"),
            Comparison("lasa", "urllib3, OS threads", "≤ 0.3"),
            Comparison("lasa", "requests on gevent", "≤ 0.18"),
            Comparison("lasa", "httpx, OS threads", "≤ 0.18"),
            Comparison("lasa", "httpx on asyncio", "≤ 0.18"),
        ),
        service=nginx,
    ),
    Row(
        name="http-download",
        title=f"1 GB from nginx, as a sparse file of {FILE_SIZE // MEGABYTE} MB over and over",
        figures={
            "cpu_gb_s": "GB/s of CPU",
            "cpu_us": "CPU µs/MB",
            "wall_gb_s": "GB/s of wall",
            "growth_kb": "peak RSS +KB",
        },
        contestants=(
            Contestant("lasa, stream=True", lasa_stream, DOWNLOADS),
            Contestant("receiveany", lasa_receiveany, DOWNLOADS),
        ),
        comparisons=(
            Comparison("lasa, stream=True", "receiveany", "≥ 0.9"),
            Comparison("lasa, stream=True", "receiveany", "≥ 0.9", "wall_gb_s"),
        ),
        service=nginx,
        quick_divisor=8,
    ),
)
