"""A real browser as the other side: Debian's chromium, driven by its DevTools protocol, a WebSocket as well.

So lasa is at both ends of it: the server that pages talk to, and the client that tells chromium what to do. One
chromium serves the whole module; each test has a page of its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

import lasa
from examples import chat
from lasa import semaphore, thread, websocket
from lasa.http.server import Request
from lasa.websocket import Closing
from lasa.websocket.client import ClientWebSocket
from lasa.websocket.server import Server, ServerWebSocket
from tests.conftest import Certificates
from tests.helpers import select_original
from tests.http.tools import serving
from tests.servers import find_binary

WAIT_S: Final = 20.0
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--log-level=3",  # it complains about a desktop that is not there
    "--remote-debugging-port=0",
    "--ignore-certificate-errors",  # the tests' authority is not the system's
)


class DevTools:
    """A connection to chromium's DevTools: of the browser, or of one page."""

    def __init__(self, uri: str) -> None:
        wb, err = websocket.client.connect(uri, max_message=None)
        assert wb is not None, err
        self._wb: ClientWebSocket = wb
        self._count = 0
        self._events: list[dict[str, Any]] = []

    def close(self) -> Closing | int | None:
        """Close the connection, and return how."""
        return self._wb.close()[0]

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Have something done, and return the result."""
        self._count += 1
        number = self._count
        lasa.check(self._wb.send(json.dumps({"id": number, "method": method, "params": params})))
        while (answer := self._next()).get("id") != number:
            self._events.append(answer)
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, event: str) -> None:
        """Wait until chromium has told of an event, which may be now or before."""
        while not any(told["method"] == event for told in self._events):
            self._events.append(self._next())

    def _next(self) -> dict[str, Any]:
        message: Any = lasa.check(self._wb.receive(WAIT_S))
        found: dict[str, Any] = json.loads(message)
        return found


class Page(DevTools):
    """One page."""

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is there."""
        self.call("Page.enable")
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Run a script, wait for the promise that it may give, and return its value."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")


class Chromium:
    """A running chromium."""

    def __init__(self, process: Any, uri: str) -> None:
        self._process = process
        self._uri = uri
        self._browser = DevTools(uri)

    @contextmanager
    def page(self) -> Iterator[Page]:
        """A page of its own."""
        target = self._browser.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(f"{self._uri.partition('/devtools/')[0]}/devtools/page/{target}")
        try:
            yield page
        finally:
            page.close()
            self._browser.call("Target.closeTarget", targetId=target)

    def close(self) -> None:
        """Have it end by itself."""
        self._browser.call("Browser.close")
        self._browser.close()
        self._process.wait(WAIT_S)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    folder = tmp_path_factory.mktemp("chromium")
    command = [find_binary("chromium", package="chromium"), *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    process: Any = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "HOME": str(folder)},
        start_new_session=True,  # so that all its processes can be ended at once
    )
    try:
        running = Chromium(process, _address_of(process.stderr.fileno()))
        yield running
        running.close()
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        process.stderr.close()


def _address_of(descriptor: int) -> str:
    # It says where its DevTools are, once they are there.
    said = b""
    deadline_s = time.monotonic() + WAIT_S
    while not (found := re.search(rb"listening on (ws://\S+)\s", said)):
        readable, _, _ = select_original([descriptor], max(0.0, deadline_s - time.monotonic()))
        chunk = os.read(descriptor, 65536) if readable else b""
        assert chunk, f"chromium did not start: {said.decode()}"
        said += chunk
    return found[1].decode()


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    with chromium.page() as page:
        yield page


def until(page: Page, condition: str) -> None:
    """Wait until a condition holds in the page, looking at each of its changes."""
    page.run(f"""
        new Promise((resolve) => {{
          const look = () => ({condition}) && resolve();
          new MutationObserver(look).observe(document.body, {{subtree: true, childList: true, characterData: true}});
          look();
        }})""")


# -- the chat page


def test_chat_page_says_and_shows_things_to_everybody_and_leaves_with_1000(
    chromium: Chromium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "picture.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2"></svg>' + " " * 100_000)
    text = " ".join(["<b>blåbærgrød</b> & 🫐"] * 20)
    over, _ = semaphore.new(0)

    def handler(request: Request) -> Any:
        answer = chat.handler(request)
        if answer is None:
            over.post()
        return answer

    with serving(handler) as server:
        with chromium.page() as ann, chromium.page() as bob:
            for page in ann, bob:
                page.open(server.url)
                until(page, "document.body.innerText.includes('has come')")
            assert ann.run("socket.extensions").startswith("permessage-deflate")
            sessions = [wb._session for wb in chat.members]
            assert [session is not None and session.deflater is not None for session in sessions] == [True, True]

            ann.run(f"element('text').value = {json.dumps(text)}; element('form').requestSubmit()")
            file_input = ann.call("Runtime.evaluate", expression="element('file')")["result"]["objectId"]
            ann.call("DOM.setFileInputFiles", files=[str(picture)], objectId=file_input)
            for page in ann, bob:
                until(page, "document.querySelector('#log img')")
                said = page.run("[...document.querySelectorAll('#log li')].map((item) => item.innerText)")
                assert said[-3].endswith(f": {text}")
                assert said[-2].endswith(" shows:")
                content = "fetch(document.querySelector('#log a').href).then((found) => found.text())"
                assert page.run(content) == picture.read_text()

            ann.run("element('leave').click()")
            until(ann, "element('state').textContent.startsWith('closed')")
            assert ann.run("element('state').textContent") == "closed: 1000 goodbye"
            until(bob, "document.body.innerText.includes('has left')")
        for _ in "ann", "bob":  # whose page has gone, and said so
            assert over.wait(WAIT_S)[0]
    printed = [line.partition(" Closing")[2] for line in capsys.readouterr().out.splitlines()]
    assert printed == ["(code=1000, reason='goodbye', by='peer')", "(code=1001, reason='', by='peer')"]
    assert not chat.members


# -- pages against servers for a purpose

# Opens a WebSocket, sends everything at once, waits for as much, and closes; tells what happened.
CONVERSATION: Final = """
    (async (uri, protocols, texts, sizes, code) => {
      const socket = new WebSocket(uri, protocols);
      socket.binaryType = "arraybuffer";
      const closed = new Promise((resolve) => {
        socket.onclose = ({code, reason, wasClean}) => resolve([code, reason, wasClean]);
      });
      const buffers = sizes.map((size) => new Uint8Array(size).map((_, at) => (at * at) >> 5).buffer);
      const sent = [...texts, ...buffers];
      const came = [];
      const answered = new Promise((resolve) => {
        socket.onmessage = ({data}) => came.push(data) < sent.length || resolve();
      });
      await Promise.race([closed, new Promise((resolve) => (socket.onopen = resolve))]);
      texts.forEach((text) => socket.send(text));
      buffers.forEach((buffer, at) => socket.send(at % 2 ? buffer : new Blob([buffer])));
      if (sent.length) await Promise.race([closed, answered]);
      if (code) socket.close(code, "done");
      const bytes = (buffer) => new Uint8Array(buffer);
      const isSame = (one, other) => typeof one === "string" || typeof other === "string" ? one === other :
        bytes(one).length === bytes(other).length && bytes(one).every((byte, at) => byte === bytes(other)[at]);
      const [extensions, protocol] = [socket.extensions, socket.protocol];
      const isEcho = came.length === sent.length && sent.every((message, at) => isSame(message, came[at]));
      return {closed: await closed, isEcho, count: came.length, extensions, protocol};
    })"""


def converse(
    page: Page,
    uri: str,
    *,
    protocols: Sequence[str] = (),
    texts: Sequence[str] = (),
    sizes: Sequence[int] = (),
    code: int = 1000,
) -> dict[str, Any]:
    """Have a page open a WebSocket, send texts and so many bytes, and close; without a code it waits for the server."""
    arguments = ", ".join(json.dumps(argument) for argument in (uri, protocols, texts, sizes, code))
    found: dict[str, Any] = page.run(f"{CONVERSATION}({arguments})")
    return found


@dataclass
class Seen:
    """What a server saw of its clients: how they ended, and how many bytes it sent to them."""

    closings: list[Closing | None] = field(default_factory=list)
    sent: int = 0
    latency_s: float | None = None


@contextmanager
def server_of(handler: Callable[[ServerWebSocket], Any], **options: Any) -> Iterator[Server]:
    """A WebSocket server that runs while the body does."""
    server, err = websocket.server.new("127.0.0.1:0", **options)
    assert server is not None, err
    runner = thread.spawn(server.run, handler)
    try:
        yield server
    finally:
        server.stop(WAIT_S)
        assert thread.wait(runner) == (True, True, None)


@contextmanager
def echoing(**options: Any) -> Iterator[tuple[Server, Seen]]:
    """A server that sends everything back, and what it saw, once the body is over."""
    seen = Seen()

    def echo(wb: ServerWebSocket) -> None:
        for message in wb:
            seen.sent += lasa.check(wb.send(message))
            seen.latency_s = wb.latency_s
        seen.closings.append(wb.closing)

    with server_of(echo, **options) as server:
        yield server, seen


TEXTS: Final = ("", "x", "blåbærgrød 🫐" * 5000, "blåbærgrød 🫐" * 5000, "\0\x7f\u07ff\uffff\U0010ffff")
SIZES: Final = (0, 1, 125, 126, 65_535, 65_536, 1_000_000)
SIZE_OF_ALL: Final = sum(len(text.encode()) for text in TEXTS) + sum(SIZES)


@pytest.mark.parametrize(
    ("compression", "agreed"),
    [
        (True, "permessage-deflate; client_max_window_bits=12"),
        ({"client_max_window_bits": 15, "threshold": 0}, "permessage-deflate"),
        (
            {"client_max_window_bits": 9, "client_no_context_takeover": True, "server_no_context_takeover": True},
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=9",
        ),
        (False, ""),
    ],
)
def test_chromium_gets_back_what_it_sends_whatever_is_agreed_on(page: Page, compression: Any, agreed: str) -> None:
    with echoing(compression=compression) as (server, seen):
        found = converse(page, server.url, texts=TEXTS, sizes=SIZES)
    assert found["isEcho"], f"{found['count']} messages came"
    assert (found["extensions"], found["closed"]) == (agreed, [1000, "done", True])
    assert seen.closings == [Closing(1000, "done", "peer")]
    assert (seen.sent < SIZE_OF_ALL) is bool(agreed)


def test_chromium_talks_under_tls(page: Page, certificates: Certificates) -> None:
    certificate = certificates.issue("127.0.0.1")
    with echoing(ssl={"ssl_cert": certificate, "ssl_key": certificate}) as (server, seen):
        assert server.url.startswith("wss://")
        found = converse(page, server.url, texts=TEXTS, sizes=SIZES)
    assert (found["isEcho"], found["closed"]) == (True, [1000, "done", True])
    assert seen.closings == [Closing(1000, "done", "peer")]


def test_chromium_answers_pings_and_gets_the_subprotocol_that_the_server_prefers(page: Page) -> None:
    latency_s = []

    def wait_for_pong(wb: ServerWebSocket) -> None:
        while wb.latency_s is None:
            _, err = wb.receive(timeout_s=0.01)
            assert err == "timeout"
        latency_s.append(wb.latency_s)

    with server_of(wait_for_pong, protocols=["v2", "v1"], ping_interval_s=0.01, ping_timeout_s=WAIT_S) as server:
        found = converse(page, server.url, protocols=["v1", "v2"], code=0)
    assert (found["protocol"], found["closed"]) == ("v2", [1000, "", True])
    assert 0 < latency_s[0] < WAIT_S


def test_chromium_learns_why_the_server_closes(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    def fail(wb: ServerWebSocket) -> None:
        raise RuntimeError("no more")

    def stop(wb: ServerWebSocket) -> None:
        thread.spawn(server.stop, WAIT_S)
        assert wb.receive() == (None, "closed")

    def fill(wb: ServerWebSocket) -> None:
        assert wb.receive() == (None, "message too big")

    with server_of(lambda wb: wb.close(4321, "nok mælk")) as server:
        assert converse(page, server.url, code=0)["closed"] == [4321, "nok mælk", True]
    with server_of(fail) as server:
        assert converse(page, server.url, code=0)["closed"] == [1011, "", True]
    assert "RuntimeError: no more" in caplog.text
    with server_of(stop) as server:
        assert converse(page, server.url, code=0)["closed"] == [1001, "", True]
    with server_of(fill, max_message=999) as server:
        assert converse(page, server.url, sizes=[1_000_000], code=0)["closed"][:2] == [1009, "message too big"]


def test_page_of_another_origin_is_refused(page: Page) -> None:
    told = []

    def handler(request: Request) -> Any:
        if not request.is_websocket:
            return "a page\n"
        wb, err = request.websocket(origins=["https://example.com"])
        assert wb is None
        told.append(err)
        return None

    with serving(handler) as server:
        page.open(server.url)
        found = converse(page, server.url.replace("http", "ws"))
    assert found["closed"] == [1006, "", False]
    assert told == [f"origin not allowed: {server.url}"]
