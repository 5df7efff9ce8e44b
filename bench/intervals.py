"""How often a bootstrap interval of Macro-F1 holds the true value, by the labels that a resample averages over.

    python bench/intervals.py

Twelve labels, the r-th 1/r times as frequent as the first, are predicted with a recall of one half and 3% false positives, on 60
records. The true value is that of infinitely many records. ``fixed``: every resample averages over the labels of the sample, and
one that was not drawn counts 0; ``held``: over those that it holds, as the product does.
"""

from __future__ import annotations

import json

import numpy as np

from emoloom.evaluate.bootstrap import percentile_interval, resample_weights
from emoloom.evaluate.metrics import label_counts

LABELS, RECORDS, RECALL, FALSE_POSITIVES = 12, 60, 0.5, 0.03
SAMPLES, RESAMPLES = 400, 400


def main() -> None:
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, LABELS + 1)
    share /= share.sum()
    true = np.mean(2 * share * RECALL / (share + share * RECALL + (1 - share) * FALSE_POSITIVES))
    hits = {"fixed": 0, "held": 0}
    for sample in range(SAMPLES):
        gold = np.eye(LABELS, dtype=np.bool_)[rng.choice(LABELS, RECORDS, p=share)]
        predicted = rng.random(gold.shape) < np.where(gold, RECALL, FALSE_POSITIVES)
        counts = label_counts(gold, predicted, np.concatenate(list(resample_weights(RECORDS, RESAMPLES, sample))))
        for name, values in (("fixed", counts.f1[:, gold.any(axis=0)].mean(axis=1)), ("held", counts.macro_f1)):
            low, high = percentile_interval(values) or (1.0, 0.0)
            hits[name] += int(low <= true <= high)
    print(json.dumps({"true": float(true)} | {name: held / SAMPLES for name, held in hits.items()}))


if __name__ == "__main__":
    main()
