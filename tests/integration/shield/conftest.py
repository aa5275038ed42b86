"""A gateway with two workers, unless a test says otherwise; see tests/integration/gateway/conftest.py."""

from tests.integration.gateway.conftest import start_gateway

__all__ = ["start_gateway"]
