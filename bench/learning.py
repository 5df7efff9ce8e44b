"""How much an adapted model gains over TF-IDF, and ``scored`` over ``free``, as training records grow.

    emoloom screen --config docs/results/learning.yaml --train-limit 1500 --out runs/1500      # and so on
    python bench/learning.py runs/100 runs/250 runs/1500 --json learning.json

``scored`` reads labelled dev records, too, to tune its thresholds. So TF-IDF stands here twice: as in the leaderboards, fitted to
the training records, and given those dev records to learn from as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import common
from emoloom.config import ScreenConfig
from emoloom.contract.parse import Parsed
from emoloom.evaluate.score import score
from emoloom.screen.baselines import Tfidf
from emoloom.screen.plan import constant_vad, make_plan
from emoloom.store.run import LEADERBOARD, MANIFEST, RunFolder

_SHOWN = ("strict_macro_f1", "strict_micro_f1", "vad_ccc_mean", "ece", "parse_ok")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    points = [point(path) for path in options.runs]
    common.write(options.json, {"points": sorted(points, key=lambda one: one["training_records"])})


def point(path: Path) -> dict[str, Any]:
    """The figures of one finished run, on its first evaluation set."""
    run = RunFolder(path)
    config = ScreenConfig.model_validate(run.read_json(MANIFEST)["config"]).model_copy(update={"out": path})
    corpora = make_plan(config, common.say).corpora
    judged = corpora.evals[0]
    rows = [row for row in run.read_json(LEADERBOARD)["rows"] if row["corpus"] == judged.name]
    tfidf = Tfidf().fit([*corpora.train, *corpora.tune])
    outcomes = [Parsed(reply, ()) for reply in tfidf.predict(judged.records)]
    return {
        "training_records": len(corpora.train),
        "tuning_records": len(corpora.tune),
        "judged_records": len(judged.records),
        **{row["readout"]: shown(row["metrics"]) for row in rows if row["stage"] == "tuned"},
        "tfidf": shown(next(row["metrics"] for row in rows if row["candidate"] == "baseline:tfidf")),
        "tfidf_with_tuning_records": shown(
            score(outcomes, judged.records, constant=constant_vad(corpora.train), resamples=1).metrics
        ),
    }


def shown(metrics: dict[str, Any]) -> dict[str, float]:
    """The figures to compare, as far as they are known."""
    return {name: round(metrics[name], 4) for name in _SHOWN if metrics.get(name) is not None}


if __name__ == "__main__":
    main()
