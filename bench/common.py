"""What the programs share: the fine-tuned model, its records, interleaved timing, the machine's speed, the JSON file."""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Any

import torch

from emoloom.__main__ import keep_freed_memory
from emoloom.assets.cache import cache_root
from emoloom.assets.models import resolve
from emoloom.assets.specs import parse_spec
from emoloom.config import Recipe, ScreenConfig
from emoloom.contract import prompt
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.data.load import available, load
from emoloom.lexicon.teacher import Teacher
from emoloom.model.load import Candidate, load_candidate, load_prompter
from emoloom.screen.plan import make_plan
from emoloom.screen.run import run_plan
from emoloom.screen.single import Opened, open_model
from emoloom.store.files import digest
from emoloom.store.run import LEADERBOARD
from emoloom.train.adapter import apply_trained

MODEL = "pypi:smollm2-135m-instruct"
# Enough for a model whose replies have the contract's shape.
_TRAINED_RECORDS = 1000
_LIBRARIES = ("torch", "transformers", "peft", "trl", "lm_eval", "llama_cpp_python")
# GFLOP/s at which the project states its throughput.
REFERENCE_RATE = 180.0
_PEAK_SIZE, _PEAK_RUNS = 2048, 15

say = partial(print, flush=True)

# As the command does it; what is compared runs in the same process and gains as well.
keep_freed_memory()


def arguments(about: str, records: int, rounds: int = 3) -> argparse.ArgumentParser:
    """A parser with what every program takes."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--records", type=int, default=records)
    parser.add_argument("--rounds", type=int, default=rounds, help="interleaved runs, of which the medians count")
    return parser


def corpus() -> str:
    """GoEmotions where its files are at hand, else the starter corpus."""
    return "goemotions" if "goemotions" in available() else "starter"


def some_records(split: str, count: int, teacher: Teacher) -> list[Record]:
    """The first ``count`` labelled records of a split of :func:`corpus`, with VAD and rationale."""
    labelled = [record for record in load(corpus(), split).records if record.labels]
    return [teacher.complete(record) for record in labelled[:count]]


def load_base(name: str = MODEL) -> Candidate:
    """The untrained model."""
    local = resolve(parse_spec(name), say=say)
    return load_candidate(local.name, local.folder, load_prompter(local.name, local.folder, GOEMOTIONS))


def load_tuned(adapter: Path | None) -> Opened:
    """The fine-tuned model of a run or of an adapter's folder; without one, of a short training that is kept in the cache."""
    if adapter is not None and (adapter / "adapter_config.json").exists():
        rank = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"]
        opened = open_model(MODEL, None, None, say)
        return replace(
            opened,
            candidate=replace(
                opened.candidate, model=apply_trained(opened.candidate.model, Recipe(rank=rank), adapter).eval()
            ),
        )
    return open_model(None, adapter or _trained_here(), "free", say)


def _trained_here() -> Path:
    folder = cache_root() / "bench" / f"{corpus()}-{digest([prompt.VERSION, Recipe().model_dump()])[:8]}"
    if not (folder / LEADERBOARD).exists():
        say(f"no --adapter: fine-tuning {MODEL} on {corpus()} once, kept in {folder}")
        config = ScreenConfig(
            model=(MODEL,), train=(corpus(),), train_limit=_TRAINED_RECORDS, limit=1, zero_shot_limit=1, out=folder
        )
        run_plan(make_plan(config, say), lambda _what, _more, _total: None, say)
    return folder


Run = Callable[[], Any]
Program = Callable[[], Run]
"""Prepares, and returns what is timed."""


def ready(run: Run) -> Program:
    """A program that has nothing to prepare."""
    return lambda: run


def interleaved(programs: Mapping[Any, Program], rounds: int) -> tuple[dict[Any, list[float]], dict[Any, Any]]:
    """Runs every program once in each round, so that a slow minute hits all alike.

    Returns:
        The seconds of every run, and what each program's last run gave.
    """
    seconds: dict[Any, list[float]] = {name: [] for name in programs}
    results: dict[Any, Any] = {}
    for number in range(rounds):
        for name, program in programs.items():
            run = program()
            start = time.perf_counter()
            results[name] = run()
            seconds[name].append(time.perf_counter() - start)
            say(f"  {name}: {seconds[name][-1]:.2f} s (run {number + 1} of {rounds})")
    return seconds, results


def fastest(what: str, runs: Mapping[Any, Run]) -> Any:
    """The key of what takes least time, by one run of each."""
    say(f"looking for the best setting: {what}")
    seconds, _ = interleaved({key: ready(run) for key, run in runs.items()}, 1)
    return min(runs, key=lambda key: seconds[key][0])


def up_to(sizes: Sequence[int], count: int) -> list[int]:
    """The batch sizes that make a difference for ``count`` examples."""
    return sorted({min(size, count) for size in sizes})


def matrix_rate(dtype: torch.dtype = torch.float32) -> float:
    """GFLOP/s of the machine's matrix product: the best of some runs on large square matrices."""
    a, b = (torch.randn(_PEAK_SIZE, _PEAK_SIZE, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(_PEAK_RUNS):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2 * _PEAK_SIZE**3 / best / 1e9


def machine() -> dict[str, Any]:
    """Where and with what the figures were measured."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES if has(name)},
        "matrix_gflops": round(matrix_rate(), 1),
    }


def has(library: str) -> bool:
    """Whether an optional library is installed."""
    return util.find_spec(library.removesuffix("_python")) is not None


def write(path: Path | None, result: Mapping[str, Any]) -> None:
    """Prints the figures and writes them to ``path``."""
    text = json.dumps(result, indent=2)
    say(text)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
