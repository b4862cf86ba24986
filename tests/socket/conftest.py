"""How the socket tests run: shared claims show their values, hypothesis has no clock, the collector has less to do."""

import gc

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.socket.contract", "tests.socket.tools", "tests.socket.reference")

# A loaded machine is slow, and that is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Keep the collector off what pytest has loaded: nothing_left_open() collects at each test."""
    gc.collect()
    gc.freeze()
