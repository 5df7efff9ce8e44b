"""Corpora in parquet form from the Hugging Face hub, at a commit that every run's manifest names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emoloom.data.corpus import HubSource
from emoloom.data.splits import HUB, Draft
from emoloom.errors import EmoLoomError


def read(hub: HubSource, split: str) -> tuple[Draft, str, str]:
    """Draft, sha256 of the parquet file, and its address with the commit.

    Raises:
        EmoLoomError: the extra ``hub`` is not installed, the file can't be had, or a column is not in it.
    """
    path = download(hub, split)
    # The hub's cache keeps a file under snapshots/<commit>/<path in the repository>.
    commit = path.parents[len(Path(hub.files[split]).parts) - 1].name
    source = f"{HUB}datasets/{hub.repo}@{commit}/{hub.files[split]}"
    draft = hub.records(rows(path, hub.columns), split)
    return draft, hashlib.sha256(path.read_bytes()).hexdigest(), source


def download(hub: HubSource, split: str) -> Path:
    """The file of a split in the hub's cache, fetched if it is not there."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HTTPError
    except ImportError as error:
        raise _not_installed("huggingface_hub") from error
    try:
        path = hf_hub_download(hub.repo, hub.files[split], repo_type="dataset", revision=hub.revision)
    except (OSError, ValueError, EntryNotFoundError, HTTPError) as error:
        problem = f"cannot download {hub.files[split]}: {error}"
        raise EmoLoomError(problem, where=f"{HUB}datasets/{hub.repo}@{hub.revision}") from error
    return Path(path)


def rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """The rows of a parquet file, each with the values of ``columns`` in that order."""
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise _not_installed("pyarrow") from error
    try:
        with ParquetFile(path) as file:
            missing = [column for column in columns if column not in file.schema_arrow.names]
            if missing:
                raise EmoLoomError(f"no column {', '.join(missing)}", where=str(path))
            table = file.read(columns=list(columns))
    except ArrowInvalid as error:
        raise EmoLoomError(f"not a parquet file: {error}", where=str(path)) from error
    return zip(*(table.column(column).to_pylist() for column in columns), strict=True)


def _not_installed(package: str) -> EmoLoomError:
    return EmoLoomError(f"{package} is not installed", remedy='pip install "emoloom[hub]"')
