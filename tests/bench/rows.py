"""All rows, in the order of the report."""

from __future__ import annotations

from typing import Final

from tests.bench import (
    http_client,
    http_server,
    lateness,
    lines,
    lua_compute,
    lua_json,
    lua_redis,
    lua_serve,
    lua_start,
    memory,
    pool,
    roundtrip,
    streams,
    threads,
    until,
    websocket_broadcast,
    websocket_client,
    websocket_echo,
    websocket_idle,
)
from tests.bench.harness import Row

__all__ = ["ROWS"]

ROWS: Final[tuple[Row, ...]] = (
    *roundtrip.ROWS,
    *lines.ROWS,
    *streams.ROWS,
    *until.ROWS,
    *threads.ROWS,
    *lateness.ROWS,
    *memory.ROWS,
    *pool.ROWS,
    *http_client.ROWS,
    *http_server.ROWS,
    *websocket_echo.ROWS,
    *websocket_client.ROWS,
    *websocket_idle.ROWS,
    *websocket_broadcast.ROWS,
    *lua_redis.ROWS,
    *lua_compute.ROWS,
    *lua_json.ROWS,
    *lua_serve.ROWS,
    *lua_start.ROWS,
)
