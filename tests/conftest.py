"""What holds for all tests: the same hypothesis examples each time, and one thread where there is torch."""

from __future__ import annotations

import sys

from hypothesis import settings

settings.register_profile("emoloom", deadline=None, derandomize=True)
settings.load_profile("emoloom")


def pytest_collection_finish() -> None:
    """Limits torch where a collected test has loaded it: more threads only slow tiny models down."""
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(1)
