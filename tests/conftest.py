"""Fixtures for all tests; they live in tests/support."""

from hypothesis import HealthCheck, settings

from tests.support.fixtures import nginx_origin, one_month, start_limen, start_origin

__all__ = ["nginx_origin", "one_month", "start_limen", "start_origin"]

# How long an example takes, and how much is drawn for it by chance, is the machine's business and no test's.
settings.register_profile(
    "limen", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("limen")
