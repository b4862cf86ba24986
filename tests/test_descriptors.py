"""At the limit of descriptors: a clear error and no end of the process, whatever is needed for the first time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Each use runs in a child with so many free descriptors, and once more when there are enough again.
PROGRAM = """
import os, resource, threading
import lasa
import lasa.http.client
from lasa import socket

def in_thread(function):
    outcome = []
    started = threading.Thread(target=lambda: outcome.append(told(function)))
    started.start()
    started.join()
    return outcome[0]

def request(url, **options):
    return lasa.http.client.new(**options)[0].get(url)

USES = {
    "a first wait": lambda: lasa.sleep(0.001),
    "a first wait in a thread": lambda: in_thread(lambda: lasa.sleep(0.001)),
    "a first wait in to_thread": lambda: lasa.to_thread(lambda: lasa.sleep(0.001)),
    "detach": lambda: lasa.detach(content=lambda: lasa.sleep(0.001)).join(5),
    "connect": lambda: socket.connect("localhost", 1),
    "a semaphore": lambda: lasa.semaphore.new()[0].wait(0.001)[1] == "timeout",
    "a timer": lambda: lasa.timer.at(0, print),
    "an HTTP request": lambda: request("http://127.0.0.1:1"),
    "cookies": lambda: request("http://127.0.0.1:1", cookies={}),
    "an international name": lambda: request(
        "http://b\u00fccher.test:1", addresses={"xn--bcher-kva.test": "127.0.0.1"}
    ),
    "authorities": lambda: request("https://127.0.0.1:1"),
    "WebSocket": lambda: lasa.websocket.client.connect("ws://127.0.0.1:1"),
    "a uuid": lasa.uuid,
}

def told(use):
    try:
        found = use()
    except (OSError, ImportError, ValueError) as error:
        found = (None, str(error))
    if not isinstance(found, tuple) or found[0]:
        return found
    if "connection refused" in str(found[1]):
        return True
    assert "too many open files" in str(found[1]).lower(), found
    return None

def child(use, free):
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for _ in range(free):
        os.close(held.pop())
    works = told(use)
    for descriptor in held:
        os.close(descriptor)
    assert told(use), "it does not work later"
    assert works or free < 8

for name, use in USES.items():
    for free in (0, 1, 2, 3, 4, 8):
        pid = os.fork()
        if not pid:
            try:
                child(use, free)
            except BaseException as error:
                os.write(1, f"{name}, {free} free: {error!r}\\n".encode())
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        if status:
            os.write(1, f"{name}, {free} free: ended by {status}\\n".encode())
"""


def test_what_is_needed_first_at_the_limit_of_descriptors_says_so_and_works_later() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert (ended.stdout, ended.stderr) == ("", "")
