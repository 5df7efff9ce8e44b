"""Decoding: EmoLoom beside what others do with the same weights and prompts.

python bench/decode.py --records 150 --json decode.json
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

import common
import llamacpp
import peers
from emoloom.contract.record import Record
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.decode.fast import Counts
from emoloom.decode.reference import next_logits
from emoloom.lexicon.teacher import Teacher
from emoloom.model.attention import active_pack
from emoloom.model.depth import layer_count
from emoloom.model.heads import LinearHeads
from emoloom.model.labelling import FirstLabel
from emoloom.model.load import Candidate
from emoloom.screen.readouts.readout import Written, bit_equal, score_requests
from emoloom.screen.readouts.suggest import Suggester

CACHED_BATCHES, UNCACHED_BATCHES = (16, 32, 64, 128), (1, 4, 16)
# Choosing a batch size needs no whole replies where every token costs a forward over the whole sequence.
TRIAL_TOKENS = 4
# Where heads fitted to SmolLM2 read, as a share of its layers (decision 015).
HEADS_READ = 0.8
# Training records by which a screening would know how frequent labels are.
KNOWN_RECORDS = 1000


@dataclass(frozen=True)
class Task:
    """What every program is given: the model, and the prompts as tokens."""

    candidate: Candidate
    records: Sequence[Record]
    prompts: Sequence[list[int]]
    suggester: Suggester
    bit_equal: bool

    @property
    def eos(self) -> int:
        return self.candidate.prompter.eos

    def fast(self, counts: Counts) -> dict[int, list[int]]:
        """EmoLoom's replies by index, as tokens."""
        return dict(Written(self.candidate, self.suggester, not self.bit_equal, counts=counts).replies(self.records))

    def heads(self) -> LinearHeads:
        """Random heads: what they cost and that they get the right input does not depend on their weights."""
        heads = LinearHeads(self.candidate.model.config.hidden_size, len(GOEMOTIONS.labels))
        torch.manual_seed(0)
        torch.nn.init.normal_(heads.label.weight)
        return heads.eval()


def main() -> None:
    parser = common.arguments("Decoding beside other programs.", records=150)
    parser.add_argument("--adapter", type=Path, help="a run, or an adapter's folder; else a short training, cached")
    parser.add_argument("--uncached-records", type=int, default=16, help="generate(use_cache=False) runs on so many")
    options = parser.parse_args()
    task = make_task(options.adapter, options.records)
    peer = copy.deepcopy(task.candidate.model)
    peer.set_attn_implementation("sdpa")

    free = measure_free(task, peer, options.rounds, options.uncached_records)
    scored = measure_scored(task, peer, options.rounds)
    machine = common.machine()
    rate = machine["matrix_gflops"]
    free["fast"]["share_of_physical_limit"] = free["fast"]["gflop_per_example"] * free["fast"]["examples_per_s"] / rate
    scored["examples_per_s_at_180_gflops"] = scored["examples_per_s"] * common.REFERENCE_RATE / rate
    about = {
        "model": task.candidate.name,
        "adapter": str(options.adapter or "trained by this program"),
        "corpus": f"{common.corpus()}:dev",
        "records": len(task.records),
        "rounds": options.rounds,
        "bit_equal_packing": task.bit_equal,
    }
    common.write(options.json, {"ratios": free.pop("ratios"), **about, **free, "scored": scored, "machine": machine})


def make_task(adapter: Path | None, count: int) -> Task:
    """The fine-tuned model and ``count`` records of the dev split."""
    opened = common.load_tuned(adapter)
    records = common.some_records("dev", count, Teacher())
    suggester = Suggester(common.some_records("train", KNOWN_RECORDS, opened.teacher), opened.teacher)
    prompter = opened.candidate.prompter
    prompts = [[*prompter.prefix, *prompter.encode(record).own] for record in records]
    return Task(opened.candidate, records, prompts, suggester, bit_equal(opened.candidate, records))


def measure_free(task: Task, peer: Any, rounds: int, few: int) -> dict[str, Any]:
    """The `free` readout: every program's speed, and where its tokens differ from EmoLoom's."""
    work = count_work(task)
    sample = evenly(task.prompts, few)
    generate = partial(peers.generate, peer, eos=task.eos)
    cached = partial(generate, dict(enumerate(task.prompts)), use_cache=True)
    uncached = partial(generate, {i: task.prompts[i] for i in sample}, use_cache=False)
    sizes, few_sizes = common.up_to(CACHED_BATCHES, len(task.prompts)), common.up_to(UNCACHED_BATCHES, len(sample))
    batch = common.fastest("generate, cached", {size: partial(cached, batch=size) for size in sizes})
    trial = partial(uncached, max_new_tokens=TRIAL_TOKENS)
    slow_batch = common.fastest("generate, uncached", {size: partial(trial, batch=size) for size in few_sizes})
    counts = Counts()
    runs: dict[str, common.Run] = {
        "fast": partial(task.fast, counts),
        "generate_cached": partial(cached, batch=batch),
        "generate_uncached": partial(uncached, batch=slow_batch),
        **optional_runs(task, peer, batch),
    }
    common.say("decoding")
    seconds, replies = common.interleaved({name: common.ready(run) for name, run in runs.items()}, rounds)
    rates = {name: len(replies[name]) / median(seconds[name]) for name in runs}
    fast = replies.pop("fast")
    # Who gives text is held against our text.
    as_text = {i: read_again(task, reply) for i, reply in fast.items()}
    differing = {
        name: differences(task, as_text if name == "lm_eval" else fast, theirs) for name, theirs in replies.items()
    }
    ratios = {f"vs_{name}": rates["fast"] / rates[name] for name in replies}
    return {
        "ratios": ratios | {"tokens_differing": sum(found["tokens"] for found in differing.values())},
        "fast": {
            "examples_per_s": rates["fast"],
            "reply_tokens_per_example": sum(map(len, fast.values())) / len(fast),
            "guarded_steps": counts.guarded // rounds,
            **work,
        },
        "others": {name: {"examples_per_s": rates[name], "differing": differing[name]} for name in replies},
        "batches": {"generate_cached": batch, "lm_eval": batch, "generate_uncached": slow_batch},
        "generate_uncached": f"measured on {len(sample)} records, evenly spaced by length, and scaled by example",
        "seconds": seconds,
    }


def optional_runs(task: Task, peer: Any, batch: int) -> dict[str, common.Run]:
    """Those of the other programs that are installed, loaded: loading is no part of decoding."""
    prompter = task.candidate.prompter
    runs: dict[str, common.Run] = {}
    if common.has("lm_eval"):
        texts = [prompter.tokenizer.decode(prompt) for prompt in task.prompts]
        harness = peers.Harness(peer, prompter.tokenizer, texts, batch=batch)
        runs["lm_eval"] = lambda: {i: tokens_of(task, text) for i, text in enumerate(harness.run())}
    if common.has("llama_cpp"):
        llama = llamacpp.load(peer, prompter.tokenizer)
        runs["llama_cpp"] = lambda: {i: llamacpp.reply(llama, p, task.eos) for i, p in enumerate(task.prompts)}
    return runs


def tokens_of(task: Task, text: str) -> list[int]:
    return task.candidate.prompter.encode_reply(text)[:-1]


def read_again(task: Task, reply: list[int]) -> list[int]:
    """The tokens of a reply's text; others than the reply's, if the model has spelled it unusually."""
    return tokens_of(task, task.candidate.prompter.decode(reply))


def measure_scored(task: Task, peer: Any, rounds: int) -> dict[str, Any]:
    """The `scored` readout beside plain forwards over padded batches whose states give the same log-odds."""
    candidate, heads = task.candidate, task.heads()
    opening = FirstLabel(candidate.prompter, GOEMOTIONS, candidate.device).opening
    prompts = [[*prompt, *opening] for prompt in task.prompts]
    depth = round(HEADS_READ * layer_count(candidate.model))

    def ours() -> torch.Tensor:
        answers = score_requests(candidate, heads, depth, task.records, alone=not task.bit_equal)
        rows = {i: row for i, row, _ in answers}
        return torch.stack([torch.from_numpy(rows[i]) for i in range(len(rows))])

    def plain(batch: int) -> torch.Tensor:
        log_odds: torch.Tensor = heads(peers.last_states(peer, prompts, depth, eos=task.eos, batch=batch))[0].detach()
        return log_odds.double()

    sizes = common.up_to(CACHED_BATCHES, len(prompts))
    batch = common.fastest("plain forwards", {size: partial(plain, size) for size in sizes})
    common.say("scoring")
    seconds, log_odds = common.interleaved(
        {"scored": common.ready(ours), "plain": common.ready(partial(plain, batch))}, rounds
    )
    rates = {name: len(prompts) / median(runs) for name, runs in seconds.items()}
    return {
        "examples_per_s": rates["scored"],
        "plain_examples_per_s": rates["plain"],
        "vs_plain": rates["scored"] / rates["plain"],
        "plain_batch": batch,
        "depth": depth,
        "largest_difference_in_log_odds": float((log_odds["scored"] - log_odds["plain"]).abs().max()),
        "seconds": seconds,
    }


def count_work(task: Task) -> dict[str, float]:
    """What decoding all records computes. Not timed, because counting costs time; it also warms up."""
    counts, sequences = Counts(), 0

    def note(*_: object) -> None:
        nonlocal sequences
        sequences += len(active_pack.get().offsets)

    hook = task.candidate.model.register_forward_pre_hook(note)
    with FlopCounterMode(display=False) as counter:
        task.fast(counts)
    hook.remove()
    examples = len(task.records)
    return {
        "forwards_per_example": sequences / examples,
        "forwards": counts.forwards,
        "tokens_per_example": counts.tokens / examples,
        "gflop_per_example": counter.get_total_flops() / 1e9 / examples,
    }


def differences(task: Task, ours: Mapping[int, list[int]], theirs: Mapping[int, list[int]]) -> dict[str, Any]:
    """How many replies and tokens differ, and how close the two best logits lie where each such reply parts from ours: a margin
    of the size of float noise (1e-4) is no fault of either program."""
    parted = [(i, ours[i], reply) for i, reply in theirs.items() if reply != ours[i]]
    margins = []
    for i, a, b in parted:
        agreed = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        best = next_logits(task.candidate.model, [], [*task.prompts[i], *a[:agreed]]).topk(2).values
        margins.append(float(best[0] - best[1]))
    return {
        "replies": len(parted),
        "tokens": sum(max(len(a), len(b)) - sum(x == y for x, y in zip(a, b, strict=False)) for _, a, b in parted),
        "margins": margins,
    }


def evenly(prompts: Sequence[Sequence[int]], count: int) -> list[int]:
    """Indices of ``count`` prompts, at even steps from the shortest to the longest."""
    by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    count = min(count, len(prompts))
    return [by_length[(2 * i + 1) * len(prompts) // (2 * count)] for i in range(count)]


if __name__ == "__main__":
    main()
