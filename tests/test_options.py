"""Each declared option takes what its declaration says, and anything else raises before something is sent."""

import math
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypedDict, get_args

import pytest

import lasa
from lasa import http, socket, websocket
from lasa._options import NUMBERS_ALONE, Checker, Opt, WrongKind, declared, joined
from lasa._stream import PoolOptions
from lasa._stream.limits import Limits
from lasa.http._server.limits import LimitOptions
from lasa.http.client import ClientOptions, WholeRequest
from lasa.http.events import SubscribeOptions
from lasa.lua.settings import BadSetting, Settings, load_settings
from lasa.socket._options import ReaderOptions
from lasa.websocket.client import ClientFrameOptions, ConnectOptions
from tests.helpers import raw_listener, settle

HUGE = 10**400
WRONG: list[Any] = [True, "5", None, b"x", [], math.nan, math.inf, -1, -0.5, 0, 0.5, 2**53, HUGE]

FOREIGN = re.compile(r"\b(nil|lua|userdata|boolean|table)\b")

# What options take of these that the declared kind does not tell.
TAKEN: dict[str, list[Any]] = {
    "addresses": [],
    "auth": ["5", None],
    "body": ["5", None, b"x", []],
    "client": [None],
    "client_cert": [None],
    "client_priv_key": [None],
    "compression": [True, None],
    "cookies": [None],
    "files": [None, []],
    "follow_redirects": [True, "5", 0, 0.5],
    "form": [None, []],
    "headers": [None, []],
    "host": ["5", None],
    "json": [True, "5", None, [], -1, -0.5, 0, 0.5, 2**53, HUGE],
    "key": [None],
    "last_event_id": ["5"],
    "method": ["5", None],
    "origin": ["5", None],
    "origins": [None, []],
    "progress": [None],
    "protocols": ["5", None, []],
    "proxy": [None],
    "query": ["5", None, []],
    "retries": [True, None, 0, 2**53, HUGE],
    "server_name": ["5", None],
    "ssl": [None],
    "ssl_ca": [None],
    "ssl_cert": [None],
    "ssl_context": [None],
    "ssl_key": [None],
    "ssl_minimum_version": [],
    "ssl_server_name": ["5", None],
    "stream": WRONG,  # whatever is true
}
POOL: dict[str, list[Any]] = {"pool": ["5", None, b"x", math.nan, math.inf, -1, -0.5, 0, 0.5, 2**53, HUGE]}
# A timeout of nothing is the default, as the seed has it.
FRAMES: dict[str, list[Any]] = {
    "timeout": [True, "5", None, b"x", [], math.nan, -1, -0.5, 0, 0.5],
    "max_payload_len": ["5", None],
}

Call = Callable[..., object]


def ask(port: int) -> Call:
    client, _ = http.client.new(proxy=False)
    return lambda **options: client.request(**{"url": f"http://127.0.0.1:{port}/", "timeout": 0.2, **options})


def frames(port: int) -> Call:
    wb, _ = websocket.client.new()
    return lambda **options: wb.connect(f"ws://127.0.0.1:{port}/", {"open_timeout_s": 0.2, "proxy": False, **options})


CALLS: dict[str, tuple[type, Callable[[int], Call], dict[str, list[Any]]]] = {
    "a request": (WholeRequest, ask, {**TAKEN, "url": ["5", b"x"]}),
    "a client": (ClientOptions, lambda _: http.client.new, TAKEN),
    "a subscription": (
        SubscribeOptions,
        lambda port: (
            lambda **options: next(
                http.events.subscribe(f"http://127.0.0.1:{port}/", **{"attempts": 1, "heartbeat_s": 0.2, **options})
            )
        ),
        TAKEN,
    ),
    "an HTTP server": (LimitOptions, lambda _: lambda **options: http.server.new("127.0.0.1:0", **options), TAKEN),
    "messages": (
        ConnectOptions,
        lambda port: lambda **options: websocket.client.connect(f"ws://127.0.0.1:{port}/", **options),
        TAKEN | POOL,
    ),
    "a connection for frames": (ConnectOptions, frames, TAKEN | POOL),
    "frames": (ClientFrameOptions, lambda _: websocket.client.new, FRAMES),
    "a WebSocket server": (
        websocket.server.ServerOptions,
        lambda _: lambda **options: websocket.server.new("127.0.0.1:0", **options),
        {**TAKEN, **FRAMES, "access_log": [True, None], "host": WRONG},
    ),
    "compression": (websocket.Deflate, lambda _: websocket.Deflate, {}),
    "a pool": (PoolOptions, lambda port: lambda **options: socket.connect("127.0.0.1", port, options), POOL),
    "a reader": (ReaderOptions, lambda _: lambda **options: socket.tcp().receiveuntil("x", options), {}),
    "limits": (Limits, lambda _: socket.tcp, {name: ["5", None, 2**53, HUGE] for name in Limits.__slots__}),
}
UNTRIED = {"port", "sock"}  # parts of an address
CALLS_WITHOUT_OPTIONS = {"limits"}  # they are keywords of the call itself


def takes(type_: Any, opt: Opt, value: Any, *, texts: bool) -> bool:
    """Whether an option of a declared kind takes the value."""
    kinds = get_args(type_) or (type_,)
    if value is None:
        return type(None) in kinds
    if isinstance(value, bool) or (bool in kinds and not {int, float} & set(kinds)):
        return isinstance(value, bool) and bool in kinds
    if not isinstance(value, int | float) and not (texts and value == "5"):
        return False
    return bool(opt.least <= (5 if value == "5" else value) < opt.below)


def taken(what: str, name: str) -> list[Any]:
    options, _, others = CALLS[what]
    type_, opt = declared(options)[name]
    if name in others:
        return others[name]
    return [value for value in WRONG if takes(type_, opt, value, texts=what != "a subscription" or not opt.types)]


OPTIONS = [(what, name) for what, (options, _, _) in CALLS.items() for name in declared(options) if name not in UNTRIED]


@pytest.mark.parametrize(("what", "name"), OPTIONS)
def test_what_an_option_cannot_be_raises_before_anything_is_sent(what: str, name: str) -> None:
    with raw_listener() as listener:
        call = CALLS[what][1](listener.getsockname()[1])
        right = taken(what, name)
        for value in WRONG:
            if repr(value) in map(repr, right):
                continue
            with pytest.raises((TypeError, ValueError)) as caught:
                call(**{name: value})
            assert not FOREIGN.search(str(caught.value)), value
        settle()
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


def declared_kinds(what: str, name: str) -> set[Any]:
    """Return the numbers and flags that an option may be by its declaration alone."""
    type_, opt = declared(CALLS[what][0])[name]
    is_plain = name not in CALLS[what][2] and opt.read is None and opt.kind is None
    return {int, float, bool} & set(get_args(type_) or (type_,)) if is_plain else set()


@pytest.mark.parametrize(("what", "name"), [option for option in OPTIONS if declared_kinds(*option)])
def test_what_a_declared_kind_is_passes_and_is_of_that_kind(what: str, name: str) -> None:
    read = float if float in declared_kinds(what, name) else int
    for value in taken(what, name):
        (found,) = Checker(CALLS[what][0]).check({name: value}).values()
        assert found is value if isinstance(value, bool | None) else found == read(value)


@pytest.mark.parametrize(("what", "name"), [option for option in OPTIONS if option[0] not in CALLS_WITHOUT_OPTIONS])
def test_a_misspelt_option_raises_and_its_own_name_is_told(what: str, name: str) -> None:
    call = CALLS[what][1](1)
    for misspelt in (name[0] + name, name + name[-1]):
        with pytest.raises((ValueError, TypeError)) as caught:
            call(**{misspelt: 1})
        if what != "compression":  # a class of Python's own kind
            assert type(caught.value) is ValueError
            assert str(caught.value) == f'unknown option "{misspelt}", did you mean "{name}"?'


@pytest.mark.parametrize(
    ("what", "name", "other"),
    [
        (what, name, other)
        for what, name in OPTIONS
        for other in declared(CALLS[what][0])[name][1].elsewhere
        if other not in declared(CALLS[what][0])
    ],
)
def test_the_name_that_others_give_an_option_is_told_its_own(what: str, name: str, other: str) -> None:
    with pytest.raises(ValueError) as caught:
        CALLS[what][1](1)(**{other: 1})
    assert str(caught.value) == f'unknown option "{other}", did you mean "{name}"?'


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"read": 1}, ', did you mean "heartbeat_s"?'),
        ({"stream": True}, ""),
        ({"strea": True}, ""),
        ({"files": {}}, ""),
        ({"progress": print}, ""),
        ({"raed": 1}, ""),
        ({"methd": "GET"}, ', did you mean "method"?'),
    ],
    ids=str,
)
def test_a_subscription_knows_no_option_of_how_an_answer_is_read(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValueError) as caught:
        http.events.subscribe("http://127.0.0.1:1/", **options)
    assert str(caught.value) == f'unknown option "{next(iter(options))}"{hint}'


@pytest.mark.parametrize(("name", "hint"), [("query", ""), ("params", ""), ("url", ""), ("raed", "read")])
def test_a_client_is_told_of_options_that_it_has_alone(name: str, hint: str) -> None:
    with pytest.raises(ValueError) as caught:
        http.client.new({name: 1})
    assert str(caught.value) == f'unknown option "{name}"' + (f', did you mean "{hint}"?' if hint else "")


@pytest.mark.parametrize("name", ["ssl_cert", "ssl_key", "client_cert", "client_priv_key"])
@pytest.mark.parametrize("value", [5, ("a.pem", "b.pem")])
def test_a_path_that_is_none_is_told_its_option_and_a_pair_that_they_are_two(name: str, value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        websocket.client.connect("wss://127.0.0.1:1/", **{name: value})
    key = {"ssl_cert": "ssl_key", "client_cert": "client_priv_key"}.get(name)
    hint = f", its key is {key}" if key and value != 5 else ""
    assert str(caught.value) == f'bad "{name}" option: path expected, got {type(value).__name__}{hint}'


def test_a_limit_may_be_as_large_as_none() -> None:
    with raw_listener() as listener:
        limits: dict[str, Any] = dict.fromkeys(Limits.__slots__, sys.maxsize)
        host, port = listener.getsockname()
        sock = lasa.check(socket.connect(host, port, pool_size=sys.maxsize, backlog=sys.maxsize))
        wire, _ = listener.accept()
        wire.sendall(b"a\nb|c")
        wire.close()
        assert sock.receive("*l", max_line=sys.maxsize) == (b"a", None, None)
        assert sock.receiveuntil("|", max_pattern=sys.maxsize)() == (b"b", None, None)
        assert sock.receive("*a", max_all=sys.maxsize) == (b"c", None, None)
        sock.close()
        socket.tcp(**limits).close()


def test_other_names_of_an_option_are_as_good() -> None:
    for name, missing in (("client_cert", "/none.pem"), ("ssl_cert", "/none.pem")):
        with pytest.raises(ValueError, match="bad certificate or authorities"):
            websocket.client.connect("wss://127.0.0.1:1/", **{name: missing, "ssl_key": missing})  # type: ignore[arg-type]


SETTINGS: dict[str, list[Any]] = {"log_level": [None], "shared_dict": [], "socket_buffer_size": ["5"]}


@pytest.mark.parametrize("name", declared(Settings))
def test_a_setting_takes_what_it_is_or_a_text_of_it(name: str) -> None:
    type_, opt = declared(Settings)[name]
    if type_ is bool:
        right: list[Any] = [True, 0]
    else:
        kinds = get_args(type_) or (type_,)
        right = ["5", *([None] if type(None) in kinds else []), *([0, 0.5] if int in kinds and opt.least == 0 else [])]
    for value in WRONG:
        if repr(value) in map(repr, SETTINGS.get(name, right)):
            assert load_settings({name: value}, folder="/") == Settings(**{name: _read(type_, value)})
        else:
            with pytest.raises(BadSetting, match=f"^{name}: .* expected, got "):
                load_settings({name: value}, folder="/")
    with pytest.raises(BadSetting, match=f"^unknown setting '{name}e', did you mean \"{name}\"\\?$"):
        load_settings({f"{name}e": 1}, folder="/")


def _read(type_: Any, value: Any) -> Any:
    if type_ is bool:
        return bool(value)
    return int(value) if value in ("5", 0.5) and int in (get_args(type_) or (type_,)) else value


# -- the checker itself


def _even(value: Any) -> int | None:
    return value if isinstance(value, int) and value % 2 == 0 else None


class Some(TypedDict, total=False):
    size: Annotated[int | None, Opt("bytes", default=3, least=1, types=True)]
    ratio: Annotated[float, Opt(default=0.5, least=0, below=1)]
    flag: Annotated[bool, Opt(hint="; there is no maybe")]
    even: Annotated[int, Opt(kind=_even, means="number", elsewhere=("odd",))]
    text: Annotated[str, Opt(parts=("letter",))]
    count: Annotated[int, Opt(default=0, least=0)]
    plain: int


def test_values_are_returned_as_they_are_used_under_the_name_that_they_mean() -> None:
    given = {"size": "0x10", "ratio": 0, "flag": False, "even": 4, "text": "any"}
    assert Checker(Some).check(given) == {"size": 16, "ratio": 0, "flag": False, "number": 4, "text": "any"}
    assert Checker(Some).check({"size": None}) == {"size": None}
    assert Checker(Some).check({}) == {}


def test_what_is_no_option_is_left_when_options_are_taken() -> None:
    given = {"size": 1, "other": 2, "even": 2}
    assert Checker(Some).take(given) == {"size": 1, "number": 2}
    assert given == {"other": 2}


def test_defaults_are_known_by_name() -> None:
    assert Checker(Some).defaults == {"size": 3, "ratio": 0.5, "flag": None, "even": None, "text": None, "count": 0}


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"size": []}, WrongKind, 'bad "size" option type: list'),
        ({"size": 0}, ValueError, 'bad "size" option value: 0'),
        ({"size": 0.5}, ValueError, 'bad "size" option value: 0.5'),
        ({"count": -0.5}, ValueError, 'bad "count" option value: -0.5'),
        ({"count": "-0.5"}, ValueError, "bad \"count\" option value: '-0.5'"),
        ({"ratio": 1}, ValueError, 'bad "ratio" option value: 1'),
        ({"ratio": "x"}, ValueError, "bad \"ratio\" option value: 'x'"),
        ({"flag": 1}, ValueError, 'bad "flag" option value: 1, True or False expected; there is no maybe'),
        ({"even": 3}, ValueError, 'bad "even" option value: 3'),
        ({"plain": 3}, ValueError, 'unknown option "plain"'),
        ({"odd": 3}, ValueError, 'unknown option "odd", did you mean "even"?'),
        ({"letter": 3}, ValueError, 'unknown option "letter", did you mean text={"letter": ...}?'),
        ({"siez": 3}, ValueError, 'unknown option "siez", did you mean "size"?'),
        ({5: 3}, ValueError, 'unknown option "5"'),
    ],
    ids=repr,
)
def test_each_fault_has_its_text(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        Checker(Some).check(given)
    assert (type(caught.value), str(caught.value)) == (error, text)


def test_a_checker_of_numbers_alone_takes_no_text_for_one() -> None:
    with pytest.raises(WrongKind):
        Checker(Some, kinds=NUMBERS_ALONE).check({"size": "5"})
    assert Checker(Some, kinds=NUMBERS_ALONE).check({"size": 5.5}) == {"size": 5}


def test_a_mapping_goes_before_keywords_and_is_one() -> None:
    assert joined({"a": 1}, {"a": 2, "b": 3}) == {"a": 1, "b": 3}
    assert joined(None, {"a": 2}) == {"a": 2}
    wrong: list[Any] = [5, "a", ["a"], True]
    for options in wrong:
        with pytest.raises(TypeError, match="bad options: mapping expected, got "):
            joined(options, {})
        with pytest.raises(TypeError, match="bad options: mapping expected, got "):
            http.client.new(options)


def test_requests_know_what_a_request_is_and_clients_do_not() -> None:
    with pytest.raises(ValueError, match='unknown option "query"'):
        http.client.new(query={"a": 1})  # type: ignore[call-arg]
    with pytest.raises(ValueError, match='unknown option "contnt_by_file", did you mean "content_by_file"'):
        lasa.detach({"contnt_by_file": "x.py"})
