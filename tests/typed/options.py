"""Right and wrong calls with options; what a checker must report is marked, and nothing else may be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

import lasa
from lasa import http, websocket
from lasa.http.client import RequestOptions
from lasa.http.server import Request
from lasa.websocket.client import ConnectOptions


def requests(client: http.client.Client, given: dict[str, Any]) -> None:
    client.get("http://h/", timeout=3, connect=0.5, follow_redirects=True, query={"a": [1, 2]})
    client.get("http://h/", timeout=None, retries=http.Retries(attempts=5), auth=("user", "password"), proxy=False)
    client.post("http://h/", json={"a": 1}, headers={"X-A": ["1", "2"], "Accept": None}, stream=True)
    client.put("http://h/", body=Path("file"), progress=lambda done, total: print(done, total))
    client.request(url="http://h/", method="PATCH", body=(piece for piece in [b"a"]), max_body=None)
    client.request({"url": "http://h/", "anything": 1}, timeout=3)
    client.get("http://h/", **given)
    lasa.thread.spawn(client.get, "http://h/", timeout=3)

    client.get("http://h/", tmeout=3)  # type: ignore[call-arg]
    client.get("http://h/", timeout="3")  # type: ignore[arg-type]
    client.get("http://h/", timeout_s=3)  # type: ignore[call-arg]
    client.get("http://h/", stream="yes")  # type: ignore[arg-type]
    client.get("http://h/", retries="many")  # type: ignore[arg-type]
    client.post("http://h/", data={"a": 1})  # type: ignore[call-arg]
    client.request(url="http://h/", cookies=["a"])  # type: ignore[arg-type]


def fetch(client: http.client.Client, path: str, **options: Unpack[RequestOptions]) -> object:
    return client.get("http://h" + path, **options)


def wrappers(client: http.client.Client) -> None:
    fetch(client, "/", read=3, ssl_verify=False)
    fetch(client, "/", raed=3)  # type: ignore[call-arg]


def clients() -> None:
    http.client.new(timeout=10, pool_size=5, cookies={}, addresses={"h": "127.0.0.1"}, ssl_minimum_version="1.3")
    http.client.new({"timeout": 10})

    http.client.new(timout=10)  # type: ignore[call-arg]
    http.client.new(query={"a": 1})  # type: ignore[call-arg]
    http.client.new(ssl_minimum_version="1.4")  # type: ignore[arg-type]
    http.client.new(pool_size=1.5)  # type: ignore[arg-type]


def subscriptions() -> None:
    http.events.subscribe("http://h/", retry_s=1, attempts=None, headers={"X-A": "1"}, connect=2)
    http.events.subscribe("http://h/", method="REPORT", body=b"query", heartbeat_s=30)

    http.events.subscribe("http://h/", retries_s=1)  # type: ignore[call-arg]
    http.events.subscribe("http://h/", last_event_id=7)  # type: ignore[arg-type]
    http.events.subscribe("http://h/", read=1)  # type: ignore[call-arg]
    http.events.subscribe("http://h/", stream=True)  # type: ignore[call-arg]
    http.events.subscribe("http://h/", files={"a": "b"})  # type: ignore[call-arg]
    http.events.subscribe("http://h/", progress=print)  # type: ignore[call-arg]


def servers() -> None:
    http.server.new("127.0.0.1:0", max_body=1000, head_timeout_s=2.5, access_log=False, ssl={"ssl_cert": "c.pem"})
    websocket.server.new("127.0.0.1:0", origins="same", max_message=None, max_head=8192, send_masked=False)
    websocket.server.new({"host": "127.0.0.1:0"}, protocols=["a"], compression={"level": 1})

    http.server.new("127.0.0.1:0", max_bodies=1000)  # type: ignore[call-arg]
    http.server.new("127.0.0.1:0", head_timeout_s="2")  # type: ignore[arg-type]
    websocket.server.new("127.0.0.1:0", origin="same")  # type: ignore[call-arg]
    websocket.server.new("127.0.0.1:0", origins=5)  # type: ignore[arg-type]
    websocket.server.new("127.0.0.1:0", max_field=None)  # type: ignore[arg-type]


def handler(request: Request) -> object:
    request.websocket(protocols=lambda offered: offered[0], origins=["https://h", None], ping_interval_s=None)
    request.websocket(max_mesage=5)  # type: ignore[call-arg]
    return request.websocket(timeout=5)  # type: ignore[call-arg]


def websockets(**options: Unpack[ConnectOptions]) -> None:
    websocket.client.connect("ws://h/", protocols=["a"], open_timeout_s=None, compression=False, pool_size=3)
    websocket.client.connect("ws://h/", **options)
    websocket.client.reconnecting("ws://h/", max_attempts=3, headers={"X-A": "1"}, auth="token")
    wb, _ = websocket.client.new(timeout=500, max_payload_len=None)
    wb.connect("ws://h/", {"origin": "https://h"}, client_cert="c.pem", client_priv_key="k.pem")

    websocket.client.connect("ws://h/", timeout=3)  # type: ignore[call-arg]
    websocket.client.connect("ws://h/", max_message="big")  # type: ignore[arg-type]
    websocket.client.reconnecting("ws://h/", max_atempts=3)  # type: ignore[call-arg]
    websocket.client.new(send_masked=True)  # type: ignore[call-arg]
    wb.connect("ws://h/", sever_name="h")  # type: ignore[call-arg]


def programs(work: Callable[[int], object]) -> None:
    lasa.detach(content=work, args=(1,), name="worker")
    lasa.detach({"content_by_lua": "print(1)"})

    lasa.detach(content=5)  # type: ignore[arg-type]
    lasa.detach(contents=work)  # type: ignore[call-arg]
