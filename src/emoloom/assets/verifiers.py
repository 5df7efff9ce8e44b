"""The appraisal verifiers that were built on this machine; none is ever downloaded or shipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emoloom.assets.cache import cache_root, publish_folder


def verifier_folder(key: str, build: Callable[[Path], None], *, source: str, licence: str) -> Path:
    """The folder of the verifier with this key, built first unless the cache has it.

    Args:
        key: a hash of all that decides the verifier's weights.
        build: writes its files into the empty folder it is given.
        source, licence: see :class:`emoloom.assets.cache.Asset`.

    Raises:
        EmoLoomError: the cache cannot be written. Whatever else `build` raises passes through.
    """
    folder = cache_root() / "verifiers" / key
    publish_folder(folder, build, name="verifier:appraisal", source=source, licence=licence)
    return folder
