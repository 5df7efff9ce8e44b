"""Scores of a candidate on one corpus: strict and parsed, every kind of gold, bootstrap against a plain loop."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import f1_score, recall_score

from emoloom.contract.affect import AXES, VAD
from emoloom.contract.parse import Failure, Parsed
from emoloom.contract.record import Record, Vad, make_reply
from emoloom.contract.taxonomy import GOEMOTIONS, Taxonomy, taxonomy
from emoloom.errors import EmoLoomError
from emoloom.evaluate.bootstrap import resample_weights
from emoloom.evaluate.score import Outcome, Scores, score

CONSTANT: VAD = (0.5, 0.3, 0.5)
LABEL_METRICS = {
    "strict_macro_f1", "strict_macro_recall", "strict_micro_f1", "strict_micro_f1_no_neutral",
    "parsed_macro_f1", "parsed_macro_recall", "parsed_micro_f1",
}  # fmt: skip
VAD_METRICS = {
    "vad_1_minus_rmse", "vad_skill", "vad_r_v", "vad_r_a", "vad_r_d", "vad_ccc_v", "vad_ccc_a", "vad_ccc_d", "vad_ccc_mean",
}  # fmt: skip


def record(
    labels: Sequence[str] = (), vad: VAD | None = None, space: str = "goemotions", source: str = "gold"
) -> Record:
    known = {"vad": Vad(v=vad[0], a=vad[1], d=vad[2]), "vad_source": source} if vad else {}
    return Record.model_validate(
        {"id": "1", "text": "t", "labels": labels, "taxonomy": space, "corpus": "c", "split": "test", **known}
    )


def reply(*labels: str, vad: VAD = (0.6, 0.4, 0.5)) -> Parsed:
    return Parsed(make_reply(labels, vad, "tone", GOEMOTIONS))


def random_case(n: int, seed: int, space: Taxonomy = GOEMOTIONS) -> tuple[list[Outcome], list[Record]]:
    rng = random.Random(seed)
    gold = [record(rng.sample(space.labels, rng.randint(1, 2)), triple(rng), space.name) for _ in range(n)]
    return [random_outcome(rng) for _ in gold], gold


def triple(rng: random.Random) -> VAD:
    return rng.random(), rng.random(), rng.random()


def random_outcome(rng: random.Random) -> Outcome:
    if rng.random() < 0.2:
        return Failure(rng.choice(["no_json", "truncated"]))
    return reply(*rng.sample(GOEMOTIONS.labels, rng.randint(1, 3)), vad=triple(rng))


def indicators(sets: Sequence[Sequence[str]], labels: Sequence[str]) -> np.ndarray:
    return np.array([[label in chosen for label in labels] for chosen in sets])


def present(gold: list[Record]) -> list[str]:
    """The labels that some record has."""
    return [label for label in GOEMOTIONS.labels if any(label in r.labels for r in gold)]


def plain_metrics(outcomes: list[Outcome], gold: list[Record]) -> dict[str, float]:
    """The goemotions metrics of some records, one at a time, by scikit-learn and scipy."""
    labels = list(GOEMOTIONS.labels)
    y = indicators([r.labels for r in gold], labels)
    p = indicators([o.reply.labels if isinstance(o, Parsed) else () for o in outcomes], labels)
    parsed = np.array([isinstance(o, Parsed) for o in outcomes])
    parsed_gold = [r for r, ok in zip(gold, parsed, strict=True) if ok]
    chosen, of_parsed = ([labels.index(label) for label in present(part)] for part in (gold, parsed_gold))
    x = np.array([r.vad.triple for r in gold if r.vad])
    z = np.array([o.reply.triple if isinstance(o, Parsed) else CONSTANT for o in outcomes])
    rmse, rmse_constant = np.sqrt(((x - z) ** 2).mean()), np.sqrt(((x - x.mean(axis=0)) ** 2).mean())
    ccc = 2 * ((x - x.mean(0)) * (z - z.mean(0))).mean(0) / (x.var(0) + z.var(0) + (x.mean(0) - z.mean(0)) ** 2)
    macro = {"average": "macro", "zero_division": 0}
    return {
        "parse_ok": parsed.mean(),
        "strict_macro_f1": f1_score(y, p, labels=chosen, **macro),
        "strict_macro_recall": recall_score(y, p, labels=chosen, **macro),
        "strict_micro_f1": f1_score(y, p, average="micro", zero_division=0),
        "strict_micro_f1_no_neutral": f1_score(y[:, :-1], p[:, :-1], average="micro", zero_division=0),
        "parsed_macro_f1": f1_score(y[parsed], p[parsed], labels=of_parsed, **macro),
        "parsed_macro_recall": recall_score(y[parsed], p[parsed], labels=of_parsed, **macro),
        "parsed_micro_f1": f1_score(y[parsed], p[parsed], average="micro", zero_division=0),
        "vad_1_minus_rmse": 1 - rmse,
        "vad_skill": 1 - rmse / rmse_constant,
        **{f"vad_r_{axis}": pearsonr(x[:, i], z[:, i]).statistic for i, axis in enumerate(AXES)},
        **{f"vad_ccc_{axis}": ccc[i] for i, axis in enumerate(AXES)},
        "vad_ccc_mean": np.maximum(ccc, 0).mean(),
    }


def test_every_metric_and_interval_equals_a_plain_loop_over_the_same_resamples() -> None:
    outcomes, gold = random_case(40, seed=1)
    scores = score(outcomes, gold, constant=CONSTANT, resamples=30, seed=5)

    assert scores.labels_scored == tuple(present(gold))
    assert scores.metrics == pytest.approx(plain_metrics(outcomes, gold), abs=1e-12)

    loop = []
    for weights in np.concatenate(list(resample_weights(40, 30, seed=5))).astype(int):
        rows = np.repeat(np.arange(40), weights)
        loop.append(plain_metrics([outcomes[i] for i in rows], [gold[i] for i in rows]))
    for name, estimate in scores.estimates.items():
        samples = [values[name] for values in loop]
        np.testing.assert_allclose(estimate.samples, samples, atol=1e-12, err_msg=name)
        assert scores.intervals[name] == pytest.approx(tuple(np.quantile(samples, [0.025, 0.975])), abs=1e-12)


def test_a_perfect_score_on_rare_labels_has_no_interval_below_it() -> None:
    gold = [record([label]) for label in GOEMOTIONS.labels]
    scores = score([reply(label) for label in GOEMOTIONS.labels], gold, constant=CONSTANT, resamples=50)
    assert scores.intervals["strict_macro_f1"] == scores.intervals["strict_macro_recall"] == (1.0, 1.0)


def test_the_same_seed_gives_the_same_scores_and_json_has_no_nan() -> None:
    outcomes, gold = random_case(25, seed=2)
    first, again = (score(outcomes, gold, constant=CONSTANT, resamples=50, seed=1).to_dict() for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(again, allow_nan=False)


def test_replies_are_judged_in_the_space_of_the_corpus() -> None:
    gold = [record(["happiness"], space="dailydialog"), record(["no emotion"], space="dailydialog")]
    scores = score([reply("joy", "love"), reply("curiosity")], gold, constant=CONSTANT, resamples=5)
    assert scores.space == "dailydialog"
    assert scores.labels_scored == ("no emotion", "happiness")
    assert scores.metrics["strict_macro_f1"] == scores.metrics["strict_micro_f1_no_neutral"] == 1.0


def test_fine_gold_labels_are_mapped_into_goemotions_and_every_wrong_label_counts() -> None:
    gold = [record(["terrified"], space="empathetic"), record(["furious"], space="empathetic")]
    # `neutral` is no image of an EmpatheticDialogues label, and to predict it is wrong all the same.
    scores = score([reply("fear", "neutral"), reply("joy")], gold, constant=CONSTANT, resamples=5)
    assert scores.space == "goemotions"
    assert scores.labels_scored == ("anger", "fear")
    assert scores.metrics["strict_macro_f1"] == 0.5
    assert scores.metrics["strict_micro_f1"] == 0.4  # one hit, one miss, two false positives
    assert scores.metrics["strict_micro_f1_no_neutral"] == 0.5


@pytest.mark.parametrize("space", ["goemotions", "ekman", "sentiment", "dailydialog", "empathetic"])
def test_every_corpus_space_can_be_scored(space: str) -> None:
    scores = score(*random_case(30, 3, taxonomy(space)), constant=CONSTANT, resamples=20)
    assert set(scores.metrics) == {"parse_ok", *LABEL_METRICS, *VAD_METRICS}
    assert scores.intervals.keys() == scores.metrics.keys()
    assert all(low <= high for low, high in scores.intervals.values())


def test_metrics_are_absent_where_the_corpus_lacks_their_gold() -> None:
    outcomes = [reply("joy"), reply("fear")]
    only_vad = score(
        outcomes, [record(vad=(0.1, 0.2, 0.3)), record(vad=(0.9, 0.3, 0.4))], constant=CONSTANT, resamples=5
    )
    only_labels = score(outcomes, [record(["joy"]), record(["fear"])], constant=CONSTANT, resamples=5)
    assert set(only_vad.metrics) == {"parse_ok", *VAD_METRICS}
    assert (only_vad.space, only_vad.per_label, only_vad.labels_scored) == (None, (), ())
    assert set(only_labels.metrics) == {"parse_ok", *LABEL_METRICS}
    assert only_labels.per_axis == ()


def test_each_kind_of_metric_runs_over_the_records_that_have_its_gold() -> None:
    gold = [record(["joy"]), record(vad=(0.2, 0.2, 0.2)), record(vad=(0.8, 0.4, 0.6))]
    outcomes = [reply("joy"), reply("anger", vad=(0.2, 0.2, 0.2)), reply("anger", vad=(0.8, 0.4, 0.6))]
    metrics = score(outcomes, gold, constant=CONSTANT, resamples=20).metrics
    assert metrics["strict_micro_f1"] == 1.0
    assert metrics["vad_skill"] == 1.0


def test_a_failure_is_an_empty_label_set_and_the_constant() -> None:
    gold = [record(["joy"], (0.9, 0.7, 0.6)), record(["fear"], (0.1, 0.8, 0.2))]
    scores = score([reply("joy", vad=(0.9, 0.7, 0.6)), Failure("no_json")], gold, constant=CONSTANT, resamples=20)
    assert scores.metrics["parse_ok"] == 0.5
    assert scores.metrics["strict_macro_f1"] == 0.5
    assert scores.metrics["parsed_macro_f1"] == 1.0  # the trap that strict figures avoid
    error = np.sqrt(((0.5 - 0.1) ** 2 + (0.3 - 0.8) ** 2 + (0.5 - 0.2) ** 2) / 6)
    assert scores.metrics["vad_1_minus_rmse"] == pytest.approx(1 - error, abs=1e-12)


def test_when_nothing_parses_strict_figures_are_defined_and_parsed_ones_are_not() -> None:
    _, gold = random_case(10, seed=4)
    scores = score([Failure("no_json")] * 10, gold, constant=CONSTANT, resamples=20)
    metrics = scores.metrics
    assert metrics["parse_ok"] == metrics["strict_macro_f1"] == metrics["strict_micro_f1"] == 0.0
    assert metrics["vad_ccc_mean"] == 0.0
    assert metrics["vad_skill"] is not None
    assert metrics["vad_skill"] < 0  # no constant beats the mean of gold
    assert metrics["parsed_macro_f1"] is metrics["vad_r_v"] is None
    assert "parsed_macro_f1" not in scores.intervals


def test_a_single_record_leaves_what_needs_variance_undefined() -> None:
    scores = score([reply("joy")], [record(["joy"], (0.6, 0.4, 0.5))], constant=CONSTANT, resamples=20)
    assert scores.metrics["vad_1_minus_rmse"] == scores.metrics["strict_macro_f1"] == 1.0
    for name in ("vad_skill", "vad_r_v", "vad_ccc_v", "vad_ccc_mean"):
        assert scores.metrics[name] is None
    assert scores.per_axis[0].skill is scores.per_axis[0].ccc is None


def test_counts_and_tables() -> None:
    gold = [
        record(["joy"], (0.9, 0.7, 0.6)),
        record(["joy", "love"], (0.8, 0.6, 0.6), source="blend"),
        record(["fear"]),
        record(["fear"]),
    ]
    repaired = Parsed(make_reply(["joy"], (0.9, 0.7, 0.6), "tone", GOEMOTIONS), ("decimals", "key_order"))
    outcomes: list[Outcome] = [repaired, reply("joy", "fear"), Failure("truncated"), Failure("truncated")]
    scores = score(outcomes, gold, constant=CONSTANT, resamples=5)
    assert scores.n == 4
    assert scores.failures == {"truncated": 2}
    assert scores.repairs == {"decimals": 1, "key_order": 1}
    assert scores.vad_sources == {"blend": 1, "gold": 1}
    rows = {row.label: row for row in scores.per_label}
    assert tuple(rows) == GOEMOTIONS.labels
    assert (rows["joy"].support, rows["joy"].precision, rows["joy"].recall, rows["joy"].f1) == (2, 1.0, 1.0, 1.0)
    assert (rows["fear"].support, rows["fear"].precision, rows["fear"].f1) == (2, 0.0, 0.0)
    assert [row.axis for row in scores.per_axis] == list(AXES)
    assert scores.per_axis[0].ccc == scores.metrics["vad_ccc_v"]


def test_user_mistakes_are_named() -> None:
    with pytest.raises(EmoLoomError, match="no records"):
        score([], [], constant=CONSTANT)
    mixed = [record(["joy"]), record(["happiness"], space="dailydialog")]
    with pytest.raises(EmoLoomError, match="dailydialog, goemotions"):
        score([reply("joy")] * 2, mixed, constant=CONSTANT)
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is longer"):
        score([reply("joy")], mixed, constant=CONSTANT)


def test_scores_hold_no_arrays_in_their_json() -> None:
    scores: Scores = score(*random_case(12, 6), constant=CONSTANT, resamples=10)
    assert json.loads(json.dumps(scores.to_dict())) == scores.to_dict()
