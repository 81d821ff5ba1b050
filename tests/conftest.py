"""Settings that all tests share."""

import pytest
from hypothesis import HealthCheck, settings

# The first call of a kernel compiles it, so no deadline; equal runs try equal examples.
settings.register_profile(
    "graphprune", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("graphprune")


@pytest.fixture
def one_thread():
    """Torch on one thread: equal threads give equal results, and small batches want one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
