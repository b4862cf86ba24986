"""How the HTTP tests run: shared checks show their values, the collector has less to do."""

import gc

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.http.client_tools", "tests.http.tools", "tests.socket.tools")

# A loaded machine is slow, and that is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Keep the collector off what pytest has loaded: clean() collects at each test."""
    gc.collect()
    gc.freeze()
