"""The round trip row's work in Lua: one script, in lasa and in OpenResty, beside the same in Python over lasa."""

from __future__ import annotations

from typing import Final

from tests.bench.harness import Comparison, Contestant, Row
from tests.bench.lua_scripts import redis_pings, said_by_lasa
from tests.bench.openresty import in_openresty
from tests.bench.roundtrip import CONNECTIONS, COUNT, lasa_threads, redis

__all__ = ["ROWS"]

ROWS: Final = (
    Row(
        name="lua-redis",
        title=f"request and answer of 6 bytes in Lua, redis-server, {CONNECTIONS} connections",
        figures={"cpu_us": "CPU µs", "wall_us": "wall µs"},
        contestants=(
            Contestant("lasa run", redis_pings(said_by_lasa, CONNECTIONS), COUNT),
            Contestant("lasa, Python", lasa_threads, COUNT),
            Contestant("OpenResty", redis_pings(in_openresty, CONNECTIONS), COUNT),
        ),
        comparisons=(
            Comparison("lasa run", "lasa, Python", "≤ 1.3"),
            Comparison("lasa run", "OpenResty", "≤ 2.0"),
        ),
        service=redis,
    ),
)
