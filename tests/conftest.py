"""Fixtures for all tests; they live in tests/support."""

import os

from hypothesis import settings

from tests.support.fixtures import nginx_origin, start_limen, start_origin

__all__ = ["nginx_origin", "start_limen", "start_origin"]

if "libasan" in os.environ.get("LD_PRELOAD", ""):
    # the sanitizers make everything slower by an order
    settings.register_profile("sanitized", deadline=None)
    settings.load_profile("sanitized")
