"""All rows, in the order of the report."""

from __future__ import annotations

from typing import Final

from tests.bench import http_client, http_server, lines, memory, pool, roundtrip, streams, threads, until
from tests.bench.harness import Row

__all__ = ["ROWS"]

ROWS: Final[tuple[Row, ...]] = (
    *roundtrip.ROWS,
    *lines.ROWS,
    *streams.ROWS,
    *until.ROWS,
    *threads.ROWS,
    *memory.ROWS,
    *pool.ROWS,
    *http_client.ROWS,
    *http_server.ROWS,
)
