"""What holds for all tests: the same hypothesis examples each time, one thread where there is torch, and short garbage
collections."""

from __future__ import annotations

import gc
import sys

from hypothesis import settings

settings.register_profile("emoloom", deadline=None, derandomize=True)
settings.load_profile("emoloom")


def pytest_collection_finish() -> None:
    """Limits torch where a collected test has loaded it: more threads only slow tiny models down. Modules are never garbage, but
    there are so many of them that the collection at the beginning of every cell takes half a second to see it."""
    gc.freeze()
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(1)
