"""Named tensors in safetensors files: written whole or not at all, read or refused with a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from emoloom.errors import EmoLoomError
from emoloom.store.files import write_atomic


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], note: tuple[str, str] = ("format", "pt")) -> None:
    """Writes tensors from any device, with a named ``note``; by default the one that other loaders ask for."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Only one: safetensors writes several in any order, and a file's bytes are to be the same each time.
    write_atomic(path, save(plain, metadata=dict([note])))


def read_tensors(path: Path, what: str) -> dict[str, torch.Tensor]:
    """The tensors of a file that holds ``what``.

    Raises:
        EmoLoomError: there is no such file, or it is damaged.
    """
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise damaged(path, what, str(error)) from error
    return tensors


def damaged(path: Path, what: str, problem: str) -> EmoLoomError:
    """The error for a file whose tensors are not ``what`` they should be."""
    return EmoLoomError(
        f"the {what} cannot be read: {problem}",
        where=str(path),
        remedy="Restore the file from a copy, or remove its folder and run again.",
    )
