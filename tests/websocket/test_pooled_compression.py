"""A pooled connection keeps the compression that it began with: who asks for another gets another connection."""

from __future__ import annotations

from typing import Any

import pytest

from lasa import websocket
from tests.websocket.tools import serving


@pytest.mark.parametrize("pool", [None, "mine"])
@pytest.mark.parametrize(
    ("other", "is_reused"),
    [(True, True), ({}, True), ({"threshold": 1000}, False), ({"level": 1}, False), (False, False)],
)
def test_a_connection_out_of_the_pool_compresses_as_was_asked_for(
    pool: str | None, other: Any, is_reused: bool
) -> None:
    with serving(lambda wb: [wb.send(message) for message in wb]) as server:
        first, err = websocket.client.connect(server.url, proxy=False, pool=pool)
        assert first is not None, err
        assert first.set_keepalive() == (1, None)
        second, err = websocket.client.connect(server.url, proxy=False, pool=pool, compression=other)
        assert second is not None, err
        assert (second.response is None) is is_reused
        second.close()
