"""Fixtures for all tests; they live in tests/support."""

from tests.support.fixtures import nginx_origin, start_limen, start_origin

__all__ = ["nginx_origin", "start_limen", "start_origin"]
