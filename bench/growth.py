"""How the time and memory of decoding grow with records, reply length and batch, on a tiny random model.

    python bench/growth.py --json growth.json

Every point is measured in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import common
import emoloom.decode.fast
import emoloom.screen.readouts.readout
from emoloom.assets.models import resolve
from emoloom.assets.specs import parse_spec
from emoloom.contract.record import Request
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data.load import load
from emoloom.decode.fast import Counts
from emoloom.lexicon.teacher import Teacher
from emoloom.model import packing
from emoloom.model.attention import NAME
from emoloom.model.load import Candidate, load_prompter
from emoloom.screen.readouts.readout import Written
from emoloom.screen.readouts.suggest import Suggester

TINY: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY |= {"num_key_value_heads": 1, "head_dim": 32, "layer_types": None}
MIB = 2**20


@dataclass(frozen=True)
class Point:
    """What is decoded: so many records, in replies of at most so many tokens, in packs of so many."""

    records: int = 200
    reply_tokens: int = 4
    pack_tokens: int = packing.PACK_TOKENS


RECORDS = [Point(records=n) for n in (100, 1_000, 10_000)]
REPLY_TOKENS = [Point(reply_tokens=n) for n in (8, 16, 32, 64)]
PACK_TOKENS = [Point(pack_tokens=n) for n in (1024, 2048, 4096, 8192)]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved runs, of which the medians count")
    parser.add_argument("--shrink", type=int, default=1, help="divides every number of records, for a quick check")
    options = parser.parse_args()
    by_name = {"records": RECORDS, "reply_tokens": REPLY_TOKENS, "pack_tokens": PACK_TOKENS}
    axes = {
        name: [replace(point, records=max(1, point.records // options.shrink)) for point in points]
        for name, points in by_name.items()
    }
    points = list(dict.fromkeys(itertools.chain(*axes.values())))
    runs: dict[Point, list[dict[str, float]]] = {point: [] for point in points}
    for _ in range(options.rounds):
        for point in points:
            runs[point].append(alone(point))
            common.say(point, runs[point][-1])
    middle = {
        point: {key: float(np.median([run[key] for run in found])) for key in found[0]} for point, found in runs.items()
    }
    common.write(
        options.json,
        {
            "ratios": {
                "slope_of_time_over_records": slope(axes["records"], "records", middle),
                "memory_of_most_over_fewest_records": over(axes["records"], "peak_mib", middle),
                "memory_above_loaded_model": over(axes["records"], "above_loaded_mib", middle),
                "slope_of_time_over_reply_tokens": slope(axes["reply_tokens"], "reply_tokens", middle),
            },
            **{name: [asdict(point) | middle[point] for point in axis] for name, axis in axes.items()},
            "rounds": options.rounds,
            "machine": common.machine(),
        },
    )


def alone(point: Point) -> dict[str, float]:
    """:func:`measure` in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, point).result()


def measure(point: Point) -> dict[str, float]:
    """Seconds of decoding, the process's peak memory, and how much of it decoding took beyond the loaded model's."""
    emoloom.screen.readouts.readout.MAX_NEW_TOKENS = point.reply_tokens  # type: ignore[attr-defined]
    emoloom.decode.fast.PACK_TOKENS = point.pack_tokens  # type: ignore[attr-defined]
    texts = [record.text for record in load("starter", "train").records]
    requests = [Request(id=str(i), text=texts[i % len(texts)]) for i in range(point.records)]
    written = Written(tiny(), Suggester((), Teacher()), guard=False, counts=Counts())
    loaded = peak_memory()
    start = time.perf_counter()
    decoded = sum(1 for _ in written.replies(requests))
    seconds = time.perf_counter() - start
    if decoded != point.records:
        raise RuntimeError(f"{decoded} of {point.records} records were decoded")
    peak = peak_memory()
    return {"seconds": seconds, "peak_mib": peak / MIB, "above_loaded_mib": (peak - loaded) / MIB}


def tiny() -> Candidate:
    """A random model with the tokenizer of the real one."""
    local = resolve(parse_spec(common.MODEL))
    config = AutoConfig.from_pretrained(local.folder)
    config.update(TINY)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=NAME).eval()
    prompter = load_prompter(local.name, local.folder, GOEMOTIONS)
    return Candidate("tiny", model, prompter, sum(p.numel() for p in model.parameters()))


def peak_memory() -> int:
    """The most bytes that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def slope(points: Sequence[Point], key: str, middle: dict[Point, dict[str, float]]) -> float:
    """Slope of log seconds over the logarithm of ``key``: 1 where time grows in proportion."""
    x = np.log([getattr(point, key) for point in points])
    return float(np.polyfit(x, np.log([middle[point]["seconds"] for point in points]), 1)[0])


def over(points: Sequence[Point], key: str, middle: dict[Point, Any]) -> float:
    """The last point's ``key`` over the first one's."""
    return float(middle[points[-1]][key] / middle[points[0]][key])


if __name__ == "__main__":
    main()
