"""Settings that all tests share."""

from hypothesis import HealthCheck, settings

# The first call of a kernel compiles it, so no deadline; equal runs try equal examples.
settings.register_profile(
    "graphprune", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("graphprune")
