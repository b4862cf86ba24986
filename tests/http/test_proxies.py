from __future__ import annotations

import timeit
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lasa.http._client.proxies import Proxy, choose_proxy, parse_proxy, proxy_variables
from lasa.http._wire.target import parse_target

HTTP = parse_target("http://h.example/")
HTTPS = parse_target("https://h.example/")


def chosen_host(url: str, explicit: Any, environment: Mapping[str, str]) -> str | None:
    proxy = choose_proxy(parse_target(url), explicit, environment)
    return None if proxy is None else proxy.host


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://p:3128", Proxy("http", "p", 3128, None)),
        ("http://p:3128/ignored", Proxy("http", "p", 3128, None)),
        ("p:3128", Proxy("http", "p", 3128, None)),
        ("P", Proxy("http", "p", 80, None)),
        ("HTTPS://p", Proxy("https", "p", 443, None)),
        ("[::1]:3128", Proxy("http", "::1", 3128, None)),
        ("http://u:p%40@p:1", Proxy("http", "p", 1, "Basic dTpwQA==")),
        ("u:p@p:1", Proxy("http", "p", 1, "Basic dTpw")),
    ],
)
def test_a_text_names_a_proxy(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS4", "socks", "ftp", "unix"])
def test_other_kinds_of_proxies_are_refused(scheme: str) -> None:
    with pytest.raises(ValueError, match=rf"^unsupported proxy scheme: {scheme.lower()}$"):
        parse_proxy(f"{scheme}://p:1080")


@pytest.mark.parametrize(
    "url", ["", "http://", "p:x", "p:0", "a b", "p\n", "http://unix:/p.sock", "http://a%3Ab:secret@p", "u:secret@p:x"]
)
def test_a_text_that_names_no_proxy_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^bad proxy: ") as caught:
        parse_proxy(url)
    assert "secret" not in str(caught.value)


def test_a_proxys_repr_hides_its_password() -> None:
    assert "Basic" not in repr(parse_proxy("http://u:p@p"))


@pytest.mark.parametrize(
    ("explicit", "for_http", "for_https"),
    [
        (False, None, None),
        ("", None, None),
        ("http://p", "p", "p"),
        (parse_proxy("p"), "p", "p"),
        ({}, None, None),
        ({"http": "a"}, "a", None),
        ({"https": "a"}, None, "a"),
        ({"http": "a", "https": "b"}, "a", "b"),
        ({"all": "c"}, "c", "c"),
        ({"all": "c", "https": None}, "c", None),
        ({"all": "c", "http": ""}, None, "c"),
        ({"all": "c", "http": False}, None, "c"),
        ({"all": parse_proxy("c")}, "c", "c"),
        ({"all": "c", "no": "example"}, None, None),
        ({"all": "c", "no": ["x", ".example"]}, None, None),
        ({"all": "c", "no": ["h.example:443"]}, "c", None),
        ({"all": "c", "no": []}, "c", "c"),
        ({"all": "c", "no": None}, "c", "c"),
    ],
)
def test_what_the_caller_says_goes_before_the_environment(
    explicit: Any, for_http: str | None, for_https: str | None
) -> None:
    for environment in ({}, {"http_proxy": "e", "https_proxy": "e", "all_proxy": "e", "no_proxy": "*"}):
        assert chosen_host(HTTP.url, explicit, environment) == for_http
        assert chosen_host(HTTPS.url, explicit, environment) == for_https


@pytest.mark.parametrize(
    ("environment", "for_http", "for_https"),
    [
        ({}, None, None),
        ({"http_proxy": "a"}, "a", None),
        ({"HTTP_PROXY": "a"}, "a", None),
        ({"http_proxy": "a", "HTTP_PROXY": "b"}, "a", None),
        ({"http_proxy": "", "HTTP_PROXY": "b"}, None, None),
        ({"HTTP_PROXY": "a", "REQUEST_METHOD": "GET"}, None, None),
        ({"HTTP_PROXY": "a", "REQUEST_METHOD": ""}, None, None),
        ({"http_proxy": "a", "HTTP_PROXY": "b", "REQUEST_METHOD": "GET"}, "a", None),
        ({"HTTP_PROXY": "a", "REQUEST_METHOD": "GET", "ALL_PROXY": "c"}, "c", "c"),
        ({"HTTPS_PROXY": "a", "REQUEST_METHOD": "GET"}, None, "a"),
        ({"https_proxy": "a"}, None, "a"),
        ({"https_proxy": "a", "HTTPS_PROXY": "b"}, None, "a"),
        ({"all_proxy": "a"}, "a", "a"),
        ({"ALL_PROXY": "a"}, "a", "a"),
        ({"all_proxy": "a", "http_proxy": "b"}, "b", "a"),
        ({"all_proxy": "a", "no_proxy": "h.example"}, None, None),
        ({"all_proxy": "a", "NO_PROXY": "h.example"}, None, None),
        ({"all_proxy": "a", "no_proxy": "x", "NO_PROXY": "h.example"}, "a", "a"),
        ({"PATH": "/bin", "Http_Proxy": "a"}, None, None),
    ],
)
def test_the_environment_names_proxies(
    environment: dict[str, str], for_http: str | None, for_https: str | None
) -> None:
    for variables in (environment, proxy_variables(environment)):
        assert chosen_host(HTTP.url, None, variables) == for_http
        assert chosen_host(HTTPS.url, None, variables) == for_https


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        ("*", "http://a", True),
        ("x, *", "http://a", True),
        ("", "http://a", False),
        (",, ,", "http://a", False),
        ("a.b", "http://a.b", True),
        ("A.B", "http://a.B", True),
        ("a.b", "http://x.y.a.b", True),
        ("a.b", "http://xa.b", False),
        ("a.b", "http://b", False),
        (".a.b", "http://a.b", True),
        (".a.b", "http://x.a.b", True),
        ("*.a.b", "http://x.a.b", True),
        ("a.b.", "http://x.a.b", True),
        ("a.b", "http://x.a.b.", True),
        ("x,y z", "http://z", True),
        ("localhost", "http://localhost:8080", True),
        ("a.b:80", "http://a.b", True),
        ("a.b:80", "http://x.a.b:80", True),
        ("a.b:80", "http://a.b:81", False),
        ("a.b:443", "https://a.b", True),
        ("bücher.example", "http://xn--bcher-kva.example", True),
        ("10.1.2.3", "http://10.1.2.3", True),
        ("10.1.2.3", "http://10.1.2.30", False),
        ("10.1.2.3:80", "http://10.1.2.3", True),
        ("10.1.2.3:80", "http://10.1.2.3:81", False),
        ("2.3", "http://10.1.2.3", False),
        (".2.3", "http://10.1.2.3", False),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.9.9.9/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.0.0.0/8", "http://a.b", False),
        ("0.0.0.0/0", "http://[::1]", False),
        ("::1", "http://[::1]", True),
        ("[::1]", "http://[::1]:81", True),
        ("[::1]:81", "http://[::1]:81", True),
        ("[::1]:81", "http://[::1]:82", False),
        ("0:0::1", "http://[::1]", True),
        ("fe80::/10", "http://[fe80::1%25eth0]", True),
        ("FE80::1", "http://[fe80::1%25eth0]", True),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]", True),
        ("[fe80::1%25eth0]", "http://[fe80::1]", True),
        ("[fe80::1%25eth0]:81", "http://[fe80::1%eth0]:81", True),
        ("[fe80::1%25eth0]:81", "http://[fe80::1%eth0]", False),
        ("fe80::%eth0/10", "http://[fe80::1%eth0]", True),
        ("::ffff:10.1.2.3", "http://10.1.2.3", True),
        ("::ffff:a00:0/104", "http://10.1.2.3", True),
        ("::ffff:a00:0/104", "http://11.1.2.3", False),
        ("::/0", "http://10.1.2.3", False),
        ("10.1.2.3:80", "http://[::ffff:10.1.2.3]", True),
        ("☃.example", "http://a.☃.example", True),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]", True),
        ("::ffff:10.1.2.3", "http://[::ffff:10.1.2.3]", True),
        ("10.0.0.0/99,a/8,a:b,:80,[,http://x,a", "http://a", True),
        ("10.0.0.0/99,a/8,a:b,:80,[,http://x", "http://a", False),
    ],
)
def test_no_proxy_names_hosts_that_are_reached_directly(no_proxy: str, url: str, is_direct: bool) -> None:
    assert (chosen_host(url, None, {"all_proxy": "p", "no_proxy": no_proxy}) is None) is is_direct
    assert (chosen_host(url, {"all": "p", "no": no_proxy}, {}) is None) is is_direct


def test_a_unix_socket_is_never_behind_a_proxy() -> None:
    target = parse_target("http://unix:/s:/")
    for explicit in (None, "http://p", {"all": "p"}):
        assert choose_proxy(target, explicit, {"all_proxy": "p"}) is None


@pytest.mark.parametrize("explicit", [True, 1, b"p", ["p"], {"all": 1}])
def test_other_types_are_refused(explicit: Any) -> None:
    with pytest.raises(TypeError, match="bad proxy"):
        choose_proxy(HTTP, explicit, {})


def test_a_key_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="'http://'"):
        choose_proxy(HTTP, {"http://": "p"}, {})


def test_a_proxy_of_the_environment_that_cannot_be_used_is_an_error_and_not_a_direct_connection() -> None:
    with pytest.raises(ValueError, match="unsupported proxy scheme"):
        choose_proxy(HTTP, None, {"all_proxy": "socks5://p"})


class _Counting(Mapping[str, str]):
    def __init__(self) -> None:
        self.looked_up = 0

    def __getitem__(self, name: str) -> str:
        self.looked_up += 1
        raise KeyError(name)

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("an environment can be large")


def test_an_environment_is_asked_a_few_times_and_what_came_of_it_never() -> None:
    environment = _Counting()
    variables = proxy_variables(environment)
    assert environment.looked_up <= 9
    assert choose_proxy(HTTP, None, variables) is None
    assert min(timeit.repeat(lambda: choose_proxy(HTTP, None, variables), number=1000, repeat=20)) / 1000 < 2e-6
