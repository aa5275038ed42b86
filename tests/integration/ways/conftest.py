"""The proxy of bridging's tests, which `start_bridge(..., socks=True)` lets speak SOCKS as well."""

from tests.integration.bridge.conftest import dns, internet, organisation, start_bridge

__all__ = ["dns", "internet", "organisation", "start_bridge"]
