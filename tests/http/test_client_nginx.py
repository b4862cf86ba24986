"""The client against a real server: nginx."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from lasa import thread
from lasa.http.client import Client
from tests.conftest import Certificates
from tests.http.client_tools import (
    clean,
    error_of,
    get,
    idle_connections,
    in_use,
    new_client,
    peer,
    read_pieces,
    tls_context,
    write,
)
from tests.http.tools import serving
from tests.servers import NGINX_FILES, Server, find_binary, free_port, nginx_server
from tests.socket.tools import result_of, time_limit


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Server]:
    binary = find_binary("nginx", package="nginx")
    folder = tmp_path_factory.mktemp("web")
    with nginx_server(binary, folder, certificates.issue("localhost"), client_ca=certificates.ca) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_is_left(web: Server) -> Iterator[None]:
    with clean():
        yield


def connection_of(body: bytes | None) -> tuple[int, int]:
    """What nginx says of the connection that a request came over: its number, and how many requests it has had."""
    assert body is not None
    number, requests = body.split()
    return int(number), int(requests)


# What it serves


@pytest.mark.parametrize("place", ["files", "gzip", "chunked", "unframed"])
@pytest.mark.parametrize("name", sorted(NGINX_FILES))
def test_a_file_arrives_whole_however_nginx_frames_it(web: Server, place: str, name: str) -> None:
    response = get(f"{web.url}/{place}/{name}", max_body=10_000_000)
    assert response.code == 200
    assert hashlib.sha256(response.read()).digest() == hashlib.sha256(NGINX_FILES[name]).digest()
    assert idle_connections() == (0 if place == "unframed" and name != "empty.txt" else 1)


def test_nginx_frames_each_place_in_its_own_way(web: Server) -> None:
    heads = {place: get(f"{web.url}/{place}/lines.txt").headers for place in ("files", "gzip", "chunked", "unframed")}
    assert heads["files"]["content-length"] == str(len(NGINX_FILES["lines.txt"]))
    assert heads["gzip"]["content-encoding"] == "gzip"
    assert heads["chunked"]["transfer-encoding"] == "chunked"
    assert heads["unframed"]["connection"] == "close"
    assert not {"content-length", "transfer-encoding"} & {name.lower() for name in heads["unframed"]}


@pytest.mark.parametrize("place", ["files", "gzip", "chunked", "unframed"])
def test_a_file_can_be_streamed_saved_and_watched(web: Server, tmp_path: Path, place: str) -> None:
    hc = new_client()
    url = f"{web.url}/{place}/8m.bin"
    steps: list[tuple[int, int | None]] = []
    _, _, reader = hc.request(url=url, stream=True, progress=lambda *step: steps.append(step))
    body, err = read_pieces(reader)
    assert err is None
    assert body == NGINX_FILES["8m.bin"]
    assert steps[-1][1] == (len(body) if place == "files" else None)
    _, response, _ = hc.request(url=url, stream=True)
    assert response.save(tmp_path / "saved") == len(body)
    assert (tmp_path / "saved").read_bytes() == body
    _, response, _ = hc.request(url=f"{web.url}/{place}/lines.txt", stream=True)
    assert list(response.lines()) == NGINX_FILES["lines.txt"].splitlines()


def test_a_part_of_a_file(web: Server) -> None:
    response = get(f"{web.url}/files/1m.bin", headers={"Range": "bytes=10-19"})
    assert (response.code, response.status) == (206, "Partial Content")
    assert response.body == bytes(range(10, 20))


@pytest.mark.parametrize(("path", "code"), [("/204", 204), ("/304", 304), ("/files/none", 404), ("/files/", 403)])
def test_any_status_is_an_answer(web: Server, path: str, code: int) -> None:
    hc = new_client()
    for _ in range(2):
        response = get(f"{web.url}{path}", hc=hc)
        assert response.code == code
        assert (response.body == b"") == (code in (204, 304))
    assert idle_connections() == 1


def test_head_brings_the_headers_only(web: Server) -> None:
    response = get(f"{web.url}/files/8m.bin", method="HEAD")
    assert (response.body, response.headers["content-length"]) == (b"", str(len(NGINX_FILES["8m.bin"])))
    assert idle_connections() == 1


def test_what_nginx_sees_is_what_was_asked_for(web: Server) -> None:
    response = get(f"{web.url}/echo?a=%20b", headers={"X-Foo": "bar"}, query={"c": "ä"}, method="DELETE")
    assert response.text() == f"DELETE|bar|/echo?a=%20b&c=%C3%A4|127.0.0.1:{web.port}"


@pytest.mark.parametrize("kind", ["bytes", "chunks", "file", "expect"])
def test_an_upload_arrives_whole(web: Server, tmp_path: Path, kind: str) -> None:
    data = os.urandom(3_000_000)
    path = write(tmp_path / "upload", data)
    pieces = iter([data[at : at + 100_000] for at in range(0, len(data), 100_000)])
    body: Any = {"bytes": data, "chunks": pieces, "file": path, "expect": path}[kind]
    hc = new_client()
    url = f"{web.url}/uploads/{kind}"
    assert get(url, hc=hc, method="PUT", body=body, expect=kind == "expect").code == 201
    assert (web.folder / "uploads" / kind).read_bytes() == data
    assert get(url, hc=hc, method="DELETE").code == 204
    assert idle_connections() == 1


@pytest.mark.parametrize("kind", ["bytes", "chunks", "known length"])
def test_a_body_that_nginx_does_not_want_is_answered_413(web: Server, kind: str) -> None:
    size = 20_000_000
    pieces = (b"x" * 100_000 for _ in range(size // 100_000))
    body: Any = b"x" * size if kind == "bytes" else pieces
    headers = {"Content-Length": str(size)} if kind == "known length" else {}
    response = get(f"{web.url}/small/", body=body, headers=headers)
    assert response.code == 413
    assert idle_connections() == 0


def test_nginx_in_front_of_a_lasa_server_streams_both_ways(web: Server) -> None:
    def handler(request: Any) -> Any:
        pieces = list(request.body)  # nginx sends no more of a request once its answer has begun
        with request.respond(200) as response:
            for piece in pieces:
                response.send(piece.upper())

    with serving(handler, f"unix:{web.folder}/lasa.sock"):
        hc = new_client()
        response = get(f"{web.url}/lasa/x", hc=hc, body=iter([b"abc" * 1000] * 100))
        assert response.read() == b"ABC" * 100_000


def test_nginx_on_a_unix_socket(web: Server) -> None:
    assert get(f"http://unix:{web.folder}/nginx.sock:/echo?x").body == b"GET||/echo?x|localhost"


# Connections


def test_connections_are_kept_and_used_again(web: Server) -> None:
    seen = [connection_of(get(f"{web.url}/connection").body) for _ in range(5)]
    assert len({number for number, _ in seen}) == 1
    assert [requests for _, requests in seen] == [1, 2, 3, 4, 5]


def test_a_connection_that_nginx_closes_after_two_requests_is_replaced(web: Server) -> None:
    seen = [connection_of(get(f"{web.url}/twice").body) for _ in range(5)]
    assert [requests for _, requests in seen] == [1, 2, 1, 2, 1]
    assert len({number for number, _ in seen}) == 3


def test_an_idle_connection_that_nginx_closes_leaves_the_pool_by_itself(web: Server) -> None:
    first = connection_of(get(f"{web.url}/brief").body)
    assert idle_connections() == 1
    with time_limit(10):
        while idle_connections():
            gevent.sleep(0.005)
    second = connection_of(get(f"{web.url}/brief").body)
    assert first[0] != second[0]
    assert second[1] == 1


def test_posts_go_over_fresh_connections_once_nginx_has_closed_the_old_ones(web: Server) -> None:
    for _ in range(5):
        assert get(f"{web.url}/twice", body=b"data").code == 200


def test_a_restarted_server_is_found_again(tmp_path: Path, certificates: Certificates) -> None:
    binary = find_binary("nginx", package="nginx")
    hc, port = new_client(), free_port()
    for _ in range(2):
        with nginx_server(binary, tmp_path, certificates.issue("localhost"), port=port) as server:
            for body in (None, b"data"):
                assert get(server.url, hc=hc, body=body).body == b"Hello, world!"
    assert error_of(f"http://127.0.0.1:{port}/", hc=hc) == "connection refused"


def test_light_threads_never_have_more_connections_than_the_pool_may_hold(web: Server) -> None:
    hc = new_client(pool_size=3)
    most = 0

    def ask(number: int) -> set[int]:
        nonlocal most
        seen = set()
        for _ in range(3):
            _, _, reader = hc.request(url=f"{web.url}/connection", stream=True)
            most = max(most, sum(in_use().values()) + idle_connections())
            body, err = read_pieces(reader)
            assert err is None
            seen.add(connection_of(body)[0])
        return seen

    asking = [thread.spawn(lambda number: (ask(number),), number) for number in range(20)]
    numbers = set().union(*(result_of(one)[0] for one in asking))
    assert len(numbers) <= 3
    assert most <= 3
    assert idle_connections() <= 3


def test_who_waits_for_a_connection_waits_no_longer_than_allowed(web: Server) -> None:
    hc = new_client(pool_size=1, pool=0.02)
    _, _, reader = hc.request(url=f"{web.url}/files/8m.bin", stream=True)
    assert error_of(f"{web.url}/connection", hc=hc) == "timeout"
    assert read_pieces(reader)[1] is None
    assert get(f"{web.url}/connection", hc=hc).code == 200


def test_more_requests_than_may_wait_are_refused(web: Server) -> None:
    hc = new_client(pool_size=1, backlog=0)
    _, response, _ = hc.request(url=f"{web.url}/files/8m.bin", stream=True)
    assert error_of(f"{web.url}/connection", hc=hc) == "too many waiting connect operations"
    response.close()
    assert get(f"{web.url}/connection", hc=hc).code == 200


# TLS


def tls_url(web: Server, path: str = "/connection", host: str = "localhost") -> str:
    return f"https://{host}:{web.tls_port}{path}"


def test_a_server_of_an_unknown_authority_is_refused(web: Server) -> None:
    err = error_of(tls_url(web))
    assert err.startswith("ssl handshake failed: ")
    assert "20" in err or "certificate" in err


def test_a_certificate_for_another_name_is_refused(web: Server, certificates: Certificates) -> None:
    for host in ("127.0.0.1", "localhost.localdomain"):
        hc = new_client(ssl_ca=certificates.ca, addresses={"localhost.localdomain": "127.0.0.1"})
        err = error_of(tls_url(web, host=host), hc=hc)
        assert err.startswith("ssl handshake failed: ")
        assert "62" in err or "64" in err or "mismatch" in err


def test_an_authority_of_the_callers_choice_is_trusted(web: Server, certificates: Certificates) -> None:
    hc = new_client(ssl_ca=certificates.ca)
    seen = [connection_of(get(tls_url(web), hc=hc).body) for _ in range(3)]
    assert [requests for _, requests in seen] == [1, 2, 3]
    hc = new_client(ssl_context=ssl.create_default_context(cafile=certificates.ca))
    assert get(tls_url(web), hc=hc).code == 200


def test_verification_can_be_switched_off(web: Server) -> None:
    assert get(tls_url(web), ssl_verify=False).code == 200


def test_large_files_arrive_whole_over_tls(web: Server, certificates: Certificates) -> None:
    hc = new_client(ssl_ca=certificates.ca)
    for place in ("files", "gzip", "chunked"):
        assert get(tls_url(web, f"/{place}/8m.bin"), hc=hc).read() == NGINX_FILES["8m.bin"]
    assert idle_connections() == 1


def test_a_body_that_ends_with_a_goodbye_is_whole(web: Server, certificates: Certificates) -> None:
    response = get(tls_url(web, "/unframed/lines.txt"), ssl_ca=certificates.ca)
    assert response.body == NGINX_FILES["lines.txt"]


def test_a_name_to_verify_can_be_given(web: Server, certificates: Certificates) -> None:
    hc = new_client(ssl_ca=certificates.ca, ssl_server_name="localhost")
    assert get(tls_url(web, host="127.0.0.1"), hc=hc).code == 200


def test_a_client_shows_its_certificate_where_it_has_one(web: Server, certificates: Certificates) -> None:
    url = f"https://localhost:{web.mutual_port}/"
    assert get(url, ssl_ca=certificates.ca).code == 400
    mine = certificates.issue("client.example")
    assert get(url, ssl_ca=certificates.ca, ssl_cert=mine).code == 200
    assert get(url, ssl_ca=certificates.ca, ssl_cert=mine, ssl_key=mine).code == 200
    assert get(url, ssl_ca=certificates.ca).code == 400  # and not over the other's connection


def test_a_version_that_is_too_old_is_refused(certificates: Certificates) -> None:
    context = tls_context(certificates.issue("localhost"), maximum=ssl.TLSVersion.TLSv1_2)
    with peer(lambda wire: (wire.head(), wire.send(b"HTTP/1.1 204 Fine\r\n\r\n")), tls=context) as server:
        url = f"https://localhost:{server.port}/"
        assert get(url, ssl_ca=certificates.ca).code == 204
        for version in ("1.3", ssl.TLSVersion.TLSv1_3):
            err = error_of(url, ssl_ca=certificates.ca, ssl_minimum_version=version)
            assert err.startswith("ssl handshake failed: ")


def identities(certificates: Certificates) -> dict[str, Client]:
    ca = certificates.ca
    mine = certificates.issue("client.example")
    own = ssl.create_default_context(cafile=ca)
    return {
        "unverified": new_client(ssl_verify=False),
        "verified": new_client(ssl_ca=ca),
        "with a certificate": new_client(ssl_ca=ca, ssl_cert=mine),
        "newer": new_client(ssl_ca=ca, ssl_minimum_version="1.3"),
        "own context": new_client(ssl_context=own),
        "other context": new_client(ssl_context=ssl.create_default_context(cafile=ca)),
    }


def test_a_connection_is_shared_only_by_those_who_trust_alike(web: Server, certificates: Certificates) -> None:
    clients = identities(certificates)
    first = {name: connection_of(get(tls_url(web), hc=hc).body) for name, hc in clients.items()}
    second = {name: connection_of(get(tls_url(web), hc=hc).body) for name, hc in clients.items()}
    assert len({number for number, _ in first.values()}) == len(clients)
    assert second == {name: (number, 2) for name, (number, _) in first.items()}


def test_a_verified_request_never_uses_an_unverified_connection(web: Server, certificates: Certificates) -> None:
    hc = new_client()
    assert get(tls_url(web), hc=hc, ssl_verify=False).code == 200
    assert idle_connections() == 1
    assert error_of(tls_url(web), hc=hc).startswith("ssl handshake failed: ")
    assert error_of(tls_url(web), hc=hc, ssl_verify=True).startswith("ssl handshake failed: ")
    assert connection_of(get(tls_url(web), hc=hc, ssl_ca=certificates.ca).body)[1] == 1


def test_a_name_never_uses_the_connection_of_another_that_leads_to_the_same_address(
    web: Server, certificates: Certificates
) -> None:
    hc = new_client(ssl_ca=certificates.ca, addresses={"localhost": "127.0.0.1", "other.example": "127.0.0.1"})
    assert get(tls_url(web), hc=hc).code == 200
    assert error_of(tls_url(web, host="other.example"), hc=hc).startswith("ssl handshake failed: ")


def test_http_and_https_do_not_mix(web: Server, certificates: Certificates) -> None:
    assert get(f"http://localhost:{web.tls_port}/").code == 400  # nginx: a plain request to an HTTPS port
    assert error_of(f"https://localhost:{web.port}/", ssl_ca=certificates.ca).startswith("ssl handshake failed: ")


# Redirects, passwords, proxies


@pytest.mark.parametrize(
    ("code", "method", "body", "expected"),
    [
        (301, "GET", None, "GET"),
        (302, "POST", b"x", "GET"),
        (303, "PUT", b"x", "GET"),
        (303, "HEAD", None, None),
        (307, "POST", b"x", "POST"),
        (308, "PUT", b"x", "PUT"),
    ],
)
def test_redirects_are_followed_with_the_method_they_ask_for(
    web: Server, code: int, method: str, body: bytes | None, expected: str | None
) -> None:
    response = get(f"{web.url}/redirect/{code}", method=method, body=body, follow_redirects=3)
    assert response.code == 200
    assert response.url == f"{web.url}/echo"
    assert [one.code for one in response.history] == [code]
    if expected is not None:
        assert response.text().split("|")[0] == expected


def test_redirects_are_left_to_the_caller_by_default(web: Server) -> None:
    response = get(f"{web.url}/redirect/301")
    assert (response.code, response.history) == (301, ())
    assert response.headers["location"] == f"{web.url}/echo"


def test_a_loop_of_redirects_ends(web: Server) -> None:
    assert error_of(f"{web.url}/loop", follow_redirects=5) == "too many redirects"
    assert sum(in_use().values()) == 0


def test_redirects_may_lead_to_tls_but_not_back(web: Server, certificates: Certificates) -> None:
    hc = new_client(ssl_ca=certificates.ca, follow_redirects=3)
    response = get(f"{web.url}/to-tls", hc=hc)
    assert response.url == f"https://localhost:{web.tls_port}/echo"
    assert error_of(tls_url(web, "/to-plain"), hc=hc) == "redirect from https to http refused"
    assert get(tls_url(web, "/to-plain"), hc=hc, allow_downgrade=True).url == f"http://localhost:{web.port}/echo"


def test_a_rewritten_path_is_followed(web: Server) -> None:
    assert get(f"{web.url}/rewritten/hello.txt", follow_redirects=1).body == b"Hello, world!"


def test_a_password_opens_what_is_closed(web: Server) -> None:
    url = f"{web.url}/secret"
    assert get(url).code == 401
    assert get(url, auth=("user", "wrong")).code == 401
    assert get(url, auth=("user", "pass word")).body == b"Hello, world!"
    assert get(url.replace("http://", "http://user:pass%20word@")).body == b"Hello, world!"


def test_nginx_as_a_proxy_is_asked_by_the_whole_url(web: Server) -> None:
    hc = new_client(proxy=f"http://127.0.0.1:{web.proxy_port}")
    for _ in range(2):
        response = get(f"{web.url}/echo?a", hc=hc)
        assert response.text() == f"GET|through nginx|/echo?a|127.0.0.1:{web.port}"
    assert idle_connections() == 1
