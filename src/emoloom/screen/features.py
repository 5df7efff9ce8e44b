"""What a candidate's layers make of records, kept pack by pack."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from emoloom.contract.record import Request
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.evaluate.metrics import Floats
from emoloom.model.depth import last_states
from emoloom.model.features import pooled_layers
from emoloom.model.labelling import FirstLabel
from emoloom.model.load import Candidate
from emoloom.model.packing import Pack, pack, packfuls
from emoloom.screen.cost import Progress
from emoloom.store.files import write_atomic


def frozen_features(
    candidate: Candidate, records: Sequence[Request], scratch: Path, title: str, progress: Progress
) -> Floats:
    """Features (n, d) of the records' prompts, in their order (:func:`~emoloom.model.features.pooled_layers`).

    Each pack's are kept in ``scratch`` as they come, so that a crash loses none of them.
    """
    prompts = [candidate.prompter.encode(record).own for record in records]
    return _kept(candidate, prompts, lambda packed: pooled_layers(candidate.model, packed), scratch, title, progress)


def opening_states(
    candidate: Candidate, records: Sequence[Request], scratch: Path, title: str, progress: Progress
) -> Floats:
    """What A layers make of the place where the first label is about to be written, (n, A, H), in the records' order
    (:func:`~emoloom.model.depth.last_states`); kept in ``scratch`` as :func:`frozen_features` are.

    Raises:
        EmoLoomError: the tokenizer spells a reply in a way that cannot be followed.
    """
    prompter = candidate.prompter
    opening = FirstLabel(prompter, GOEMOTIONS, candidate.device).opening
    sequences = [[*prompter.encode(record).own, *opening] for record in records]
    return _kept(candidate, sequences, lambda packed: last_states(candidate.model, packed), scratch, title, progress)


@torch.inference_mode()
def _kept(
    candidate: Candidate,
    sequences: Sequence[Sequence[int]],
    read: Callable[[Pack], torch.Tensor],
    scratch: Path,
    title: str,
    progress: Progress,
) -> Floats:
    """What ``read`` makes of every sequence, (n, ...); each pack's rows are kept in ``scratch``."""
    found = np.empty(0)
    for number, members in enumerate(packfuls(sequences, alone=False)):
        kept = scratch / f"pack-{number}.npy"
        if not kept.exists():
            packed = pack(candidate.prompter.prefix, [sequences[i] for i in members], candidate.device)
            buffer = io.BytesIO()
            np.save(buffer, read(packed).cpu().numpy())
            write_atomic(kept, buffer.getvalue())
        rows = np.load(kept)
        if not number:
            # Once, and filled: all records' states are the largest thing in memory beside the model.
            found = np.empty((len(sequences), *rows.shape[1:]), rows.dtype)
        for member, row in zip(members, rows, strict=True):
            found[member] = row
        progress(title, len(members), len(sequences))
    return found
