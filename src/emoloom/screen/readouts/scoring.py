"""What a ``scored`` cell keeps beside its replies: heads fitted to the trained model, thresholds and the spread of VAD tuned on
held-out records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from emoloom.contract.affect import AXES
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.evaluate.metrics import multi_hot
from emoloom.model.depth import head_depths
from emoloom.model.heads import load_heads, save_heads
from emoloom.model.load import Candidate
from emoloom.screen.cost import Cost, Progress
from emoloom.screen.features import opening_states
from emoloom.screen.readouts.readout import Scored
from emoloom.screen.readouts.refit import fit_heads
from emoloom.screen.readouts.suggest import Suggester
from emoloom.screen.readouts.tuning import tune_spread, tune_thresholds
from emoloom.store.files import readable_json, write_atomic
from emoloom.store.run import CellFolder

TUNING = "tuning.json"
"""The layer that the heads read, each label's threshold on its log-odds, scale and shift of each axis of VAD; written once the
heads are."""
# Stands for "never": JSON has no infinity.
_NEVER = 1e9


def prepare_scoring(
    candidate: Candidate,
    folder: CellFolder,
    fitted: Sequence[Record],
    tune: Sequence[Record],
    *,
    progress: Progress,
    cost: Cost,
) -> None:
    """Fits heads to a trained candidate, tunes thresholds and the spread of VAD, and keeps all in ``folder``; nothing is done
    where they are kept already.

    Args:
        fitted: completed training records, at least one: what the heads are fitted to.
        tune: completed held-out records. Without any, every label has even odds as its threshold and VAD stays as it is.
    """
    cost.examples += len(fitted) + len(tune)
    cost.tokens += sum(len(candidate.prompter.encode(record).own) for record in [*fitted, *tune])
    if (folder.path / TUNING).exists():
        return
    read = [*fitted, *tune]
    states = opening_states(candidate, read, folder.scratch / "states", f"fitting heads to {candidate.name}", progress)
    chosen, heads = fit_heads(
        states[: len(fitted)],
        multi_hot([record.labels for record in fitted], GOEMOTIONS.labels).astype(np.float64),
        np.array([record.vad.triple if record.vad else (0.5,) * len(AXES) for record in fitted]),
        np.array([record.vad_weight if record.vad else 0.0 for record in fitted]),
    )
    save_heads(heads, folder.path)
    thresholds = np.zeros(len(GOEMOTIONS.labels))
    scale, shift = np.ones(len(AXES)), np.zeros(len(AXES))
    if tune:
        with torch.inference_mode():
            log_odds, vad = (x.double().numpy() for x in heads(torch.from_numpy(states[len(fitted) :, chosen])))
        thresholds = np.minimum(
            tune_thresholds(log_odds, multi_hot([record.labels for record in tune], GOEMOTIONS.labels)), _NEVER
        )
        scale, shift = tune_spread(vad, np.array([record.vad.triple for record in tune if record.vad]))
    content = {
        "depth": head_depths(candidate.model)[chosen],
        "thresholds": dict(zip(GOEMOTIONS.labels, thresholds.tolist(), strict=True)),
        "vad_scale": dict(zip(AXES, scale.tolist(), strict=True)),
        "vad_shift": dict(zip(AXES, shift.tolist(), strict=True)),
    }
    write_atomic(folder.path / TUNING, readable_json(content))


def scored_readout(candidate: Candidate, folder: CellFolder, suggester: Suggester, *, alone: bool) -> Scored:
    """The ``scored`` readout of a trained candidate with what :func:`prepare_scoring` left in ``folder``.

    Raises:
        EmoLoomError: what was left cannot be read.
    """
    heads = load_heads(folder.path).to(candidate.device)
    kept = folder.read_json(TUNING, {"depth", "thresholds", "vad_scale", "vad_shift"})
    try:
        depth = kept["depth"]
        if depth not in head_depths(candidate.model):
            raise ValueError(f"heads do not read layer {depth}")
        thresholds = np.array([kept["thresholds"][label] for label in GOEMOTIONS.labels], dtype=np.float64)
        scale, shift = (
            np.array([kept[part][axis] for axis in AXES], dtype=float) for part in ("vad_scale", "vad_shift")
        )
    except (LookupError, ValueError, TypeError) as error:
        raise EmoLoomError(
            f"what was tuned cannot be read: {error}",
            where=str(folder.path / TUNING),
            remedy="Restore the file from a copy, or remove the cell's folder and screen again.",
        ) from error
    return Scored(candidate, heads, depth, thresholds, scale, shift, suggester, alone)
