"""What bridging's tests have, for what is seen of privacy inside of TLS."""

from tests.integration.bridge.conftest import dns, internet, organisation, start_bridge

__all__ = ["dns", "internet", "organisation", "start_bridge"]
