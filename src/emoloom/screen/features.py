"""What a candidate's layers make of records before it is trained, kept pack by pack."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from emoloom.contract.record import Request
from emoloom.evaluate.metrics import Floats
from emoloom.model.features import pooled_layers
from emoloom.model.load import Candidate
from emoloom.model.packing import pack, packfuls
from emoloom.screen.cost import Progress
from emoloom.store.files import write_atomic


@torch.inference_mode()
def frozen_features(
    candidate: Candidate, records: Sequence[Request], scratch: Path, title: str, progress: Progress
) -> Floats:
    """Features (n, d) of the records' prompts, in their order (:func:`~emoloom.model.features.pooled_layers`).

    Each pack's are kept in ``scratch`` as they come, so that a crash loses none of them.
    """
    prompter = candidate.prompter
    prompts = [prompter.encode(record).own for record in records]
    rows: dict[int, Floats] = {}
    for number, members in enumerate(packfuls(prompts, alone=False)):
        kept = scratch / f"pack-{number}.npy"
        if not kept.exists():
            packed = pack(prompter.prefix, [prompts[i] for i in members], candidate.device)
            buffer = io.BytesIO()
            np.save(buffer, pooled_layers(candidate.model, packed).cpu().numpy())
            write_atomic(kept, buffer.getvalue())
        rows |= zip(members, np.load(kept), strict=True)
        progress(title, len(members), len(records))
    return np.array([rows[i] for i in range(len(records))])
