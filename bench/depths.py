"""What heads find at each depth of a fine-tuned model, and what reading there takes.

    python bench/depths.py --adapter RUN --records 1500 --json depths.json

As many records of the train split fit the heads, and as many of the dev split judge them: a random half tunes thresholds and the
spread of VAD, the other is scored, many times over. Forwards over the first texts of the dev split are timed in turn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

import common
from emoloom.contract.affect import AXES
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.evaluate.metrics import Bools, Floats, label_counts, multi_hot, vad_moments
from emoloom.model.depth import head_depths
from emoloom.model.heads import LinearHeads
from emoloom.screen.features import opening_states
from emoloom.screen.readouts.readout import score_requests
from emoloom.screen.readouts.refit import fit_heads
from emoloom.screen.readouts.tuning import choose, tune_spread, tune_thresholds

SPLITS = 20


def main() -> None:
    parser = common.arguments("What heads find at each depth, and what reading there takes.", records=1500)
    parser.add_argument("--adapter", type=Path, help="a run, or an adapter's folder; else a short training, cached")
    parser.add_argument("--timed", type=int, default=64, help="texts that are read in each timed run")
    options = parser.parse_args()
    opened = common.load_tuned(options.adapter)
    candidate = opened.candidate
    train, dev = (common.some_records(split, options.records, opened.teacher) for split in ("train", "dev"))
    with tempfile.TemporaryDirectory() as scratch:
        states = opening_states(candidate, [*train, *dev], Path(scratch), "reading", progress())
    targets = [
        (
            multi_hot([record.labels for record in records], GOEMOTIONS.labels),
            np.array([record.vad.triple for record in records if record.vad]),
        )
        for records in (train, dev)
    ]
    (labels, vad), (dev_labels, dev_vad) = targets
    learn = partial(fit_heads, labels=labels.astype(np.float64), vad=vad, weight=np.ones(len(vad)))
    fitted, asked = states[: len(train)], states[len(train) :]
    depths = head_depths(candidate.model)
    chosen, _ = learn(fitted)
    heads = {depth: learn(fitted[:, [at]])[1] for at, depth in enumerate(depths)}
    found = {depth: judge(heads[depth], asked[:, at], dev_labels, dev_vad) for at, depth in enumerate(depths)}

    def read(depth: int) -> Callable[[], object]:
        return lambda: list(score_requests(candidate, heads[depth], depth, dev[: options.timed], alone=False))

    seconds, _ = common.interleaved({depth: common.ready(read(depth)) for depth in depths}, options.rounds)
    taken = {depth: median(runs) for depth, runs in seconds.items()}
    table = {depth: {**found[depth], "time_of_last": taken[depth] / taken[depths[-1]]} for depth in depths}
    about = {"adapter": str(options.adapter or "trained by this program"), "corpus": common.corpus()}
    common.write(
        options.json,
        {**about, "records": options.records, "chosen": depths[chosen], "depths": table, "seconds": seconds},
    )


@torch.inference_mode()
def judge(heads: LinearHeads, states: Floats, labels: Bools, vad: Floats) -> Mapping[str, float]:
    """Mean over the splits of Macro-F1, micro-F1 and the CCC of each axis on the half that tunes nothing."""
    log_odds, predicted = (x.double().numpy() for x in heads(torch.from_numpy(states)))
    found: list[list[float]] = []
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(states))
        tune, scored = np.array_split(order, 2)
        counts = label_counts(
            labels[scored],
            choose(log_odds[scored], tune_thresholds(log_odds[tune], labels[tune])),
            np.ones((1, len(scored))),
        )
        present: Bools = np.asarray(labels[scored].any(axis=0))
        scale, shift = tune_spread(predicted[tune], vad[tune])
        stretched = (scale * predicted[scored] + shift).clip(0, 1)
        ccc = vad_moments(vad[scored], stretched, np.ones((1, len(scored)))).ccc[0]
        found.append([counts.macro_f1[0], counts.micro_f1(present)[0], *ccc])
    names = ("macro_f1", "micro_f1", *(f"ccc_{axis}" for axis in AXES))
    return dict(zip(names, np.mean(found, axis=0).round(4).tolist(), strict=True))


def progress() -> Callable[[str, int, int], None]:
    """Says how many texts are read, now and then."""
    done = 0

    def tell(what: str, more: int, total: int) -> None:
        nonlocal done
        if (done + more) * 10 // total > done * 10 // total:
            common.say(f"{what}: {done + more} of {total}")
        done += more

    return tell


if __name__ == "__main__":
    main()
