"""The records of a run: overlap, samples, order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.screenings import ROWS, small, write_jsonl

from emoloom.contract.record import Record
from emoloom.data.load import load
from emoloom.errors import EmoLoomError
from emoloom.lexicon.teacher import Teacher
from emoloom.screen.corpora import Atoms, Corpora, load_corpora, load_evals, records_digest


def corpora(data: Path, **changes: Any) -> Corpora:
    config = small(None, data, **changes)
    found = load_corpora(config, Teacher(), [config.recipe])
    return found.appraised(appraise) if config.recipe.l_app else found


def appraise(texts: Sequence[str]) -> Atoms:
    """Stands for the verifier: every atom of a text is its number of words over ten."""
    return np.array([[len(text.split()) / 10] * 4 for text in texts], dtype=np.float32)


def texts(records: tuple[Record, ...]) -> list[str]:
    return [record.text for record in records]


def test_training_records_that_are_judged_are_dropped(tmp_path: Path) -> None:
    judged = write_jsonl(tmp_path / "judged.jsonl", ROWS[:3])
    respelled = {**ROWS[0], "text": "  The PARCEL  came at\tlast "}
    learnt = write_jsonl(tmp_path / "learnt.jsonl", [respelled, *ROWS[1:]])
    found = corpora(judged, train=(f"jsonl:{learnt}",), train_limit=None)
    assert sorted(texts(found.train)) == sorted(str(row["text"]) for row in ROWS[3:])
    assert found.overlap == 3
    assert found.manifest["train"]["overlap_dropped"] == 3
    assert found.manifest["train"]["records"] == 2


def test_records_set_aside_have_one_id_each(tmp_path: Path) -> None:
    judged = write_jsonl(tmp_path / "judged.jsonl", ROWS[:1])
    fields = {"labels": ["joy"]}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_jsonl(tmp_path / name / "learnt.jsonl", [{"text": f"{name} {i}", **fields} for i in range(50)])
    train = tuple(f"jsonl:{tmp_path / name / 'learnt.jsonl'}" for name in ("a", "b"))
    assert len(corpora(judged, train=train, train_limit=None).train) == 100
    with pytest.raises(EmoLoomError, match=r"records of two training files have the id learnt-\d+, and both are set"):
        corpora(judged, train=train, train_limit=None, rungs=2)


def test_training_records_without_labels_are_counted(tmp_path: Path) -> None:
    judged = write_jsonl(tmp_path / "judged.jsonl", ROWS[:1])
    learnt = write_jsonl(tmp_path / "learnt.jsonl", [{"text": "no idea"}, *ROWS, {"text": "none", "labels": []}])
    found = corpora(judged, train=(f"jsonl:{learnt}",), train_limit=None)
    assert (found.unlabelled, found.overlap, len(found.train)) == (2, 1, len(ROWS) - 1)
    assert found.manifest["train"]["unlabelled_dropped"] == 2


def test_the_training_limit_counts_what_is_left(tmp_path: Path) -> None:
    judged = write_jsonl(tmp_path / "judged.jsonl", ROWS[:3])
    learnt = write_jsonl(tmp_path / "learnt.jsonl")
    assert len(corpora(judged, train=(f"jsonl:{learnt}",), train_limit=2).train) == 2


def test_samples_are_a_function_of_the_seed(data: Path) -> None:
    first, again, other = (corpora(data, train_limit=20, seed=seed, limit=None) for seed in (3, 3, 4))
    assert first == again
    assert texts(first.train) != texts(other.train)
    assert sorted(texts(first.evals[0].records)) == sorted(texts(other.evals[0].records))
    assert texts(first.evals[0].records) != texts(other.evals[0].records)


def test_a_smaller_limit_takes_the_beginning_of_a_larger_one(data: Path) -> None:
    few, many = corpora(data, train_limit=5, limit=2), corpora(data, train_limit=9, limit=4)
    assert few.train == many.train[:5]
    assert few.evals[0].records == many.evals[0].records[:2]


def test_a_sample_is_no_head_of_the_file(data: Path) -> None:
    whole = load("starter", "train").records
    taken = corpora(data, train_limit=50).train
    assert {record.id for record in taken} <= {record.id for record in whole}
    assert [record.id for record in taken] != [record.id for record in whole[:50]]
    assert len({record.id for record in taken}) == 50


def test_each_corpus_gives_its_share_of_the_training_records(tmp_path: Path, data: Path) -> None:
    rows = [{"text": f"it rained on day {n}", "labels": ["sadness"]} for n in range(784)]
    other = write_jsonl(tmp_path / "other.jsonl", rows)
    found = corpora(data, train=("starter", f"jsonl:{other}"), train_limit=200)
    assert 70 <= sum(record.corpus == "jsonl:other" for record in found.train) <= 130


def test_records_without_labels_are_not_trained_on(tmp_path: Path, data: Path) -> None:
    mixed = write_jsonl(tmp_path / "mixed.jsonl", [{"text": "plain"}, {"text": "x", "labels": ["joy"]}])
    assert texts(corpora(data, train=(f"jsonl:{mixed}",)).train) == ["x"]
    bare = write_jsonl(tmp_path / "bare.jsonl", [{"text": "plain"}])
    with pytest.raises(EmoLoomError, match="no record has labels to train on"):
        corpora(data, train=(f"jsonl:{bare}",))


def test_training_records_are_completed_in_the_training_space(tmp_path: Path, data: Path) -> None:
    foreign = write_jsonl(tmp_path / "f.jsonl", [{"text": "x", "labels": ["terrified"], "taxonomy": "empathetic"}])
    [record] = corpora(data, train=(f"jsonl:{foreign}",)).train
    assert (record.labels, record.taxonomy, record.vad_source) == (("fear",), "goemotions", "label")
    assert record.rationale


def test_evaluation_records_keep_their_space(tmp_path: Path) -> None:
    foreign = write_jsonl(tmp_path / "f.jsonl", [{"text": "x", "labels": ["terrified"], "taxonomy": "empathetic"}])
    [found] = load_evals([f"jsonl:{foreign}"], None, 0, None, Teacher())
    assert (found.name, found.records[0].labels, found.records[0].taxonomy) == (
        "jsonl:f",
        ("terrified",),
        "empathetic",
    )


def test_the_default_splits_are_train_and_test(data: Path) -> None:
    found = corpora(data, train=("starter", "starter"), eval=("starter", "starter:dev", "starter"), limit=1)
    assert [report.split for report in found.train_reports] == ["train"]
    assert [e.name for e in found.evals] == ["starter:test", "starter:dev"]
    assert corpora(data, train=("starter:dev",), train_limit=None).train_reports[0].split == "dev"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": ("startr",)}, "unknown corpus 'startr'. Did you mean starter"),
        ({"eval": ("starter:tset",)}, "starter: unknown split 'tset'. Did you mean test"),
        ({"eval": ("starter:",), "train": ("starter:dve",)}, "unknown split 'dve'. Did you mean dev"),
    ],
)
def test_unknown_names_are_refused(data: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EmoLoomError, match=message):
        corpora(data, **changes)


def test_the_manifest_tells_the_data_without_text(data: Path) -> None:
    found = corpora(data)
    manifest = found.manifest
    assert manifest["eval"][0]["sha256"] == records_digest(found.evals[0].records) == found.evals[0].digest
    assert manifest["train"]["sha256"] == records_digest(found.train) != records_digest(found.train[::-1])
    assert manifest["eval"][0]["source"]["rows_read"] == len(ROWS)
    assert not [record for record in found.train if record.text in str(manifest)]


def test_what_was_read_from_the_hub_is_named_with_its_commit(data: Path) -> None:
    corpora = load_corpora(small(None, data), Teacher(), [])
    assert corpora.read_from == {}
    hub = replace(corpora.train_reports[0], source="hf://datasets/a/b@0123/train.parquet")
    far = replace(corpora, train_reports=(hub,))
    assert far.read_from == {"starter:train": "hf://datasets/a/b@0123/train.parquet"}
    assert far.manifest == corpora.manifest


def test_a_recipe_that_asks_for_them_gets_appraisals_and_flips(tmp_path: Path) -> None:
    learnt = write_jsonl(tmp_path / "learnt.jsonl", [*ROWS, {"text": "I love this good day", "labels": ["love"]}])
    judged = write_jsonl(tmp_path / "judged.jsonl", [{"text": "judged", "labels": ["joy"]}])
    plain = corpora(judged, train=(f"jsonl:{learnt}",), train_limit=None)
    assert {record.appraisal for record in plain.train} == {None}
    assert plain.flips == ()
    full = corpora(judged, train=(f"jsonl:{learnt}",), train_limit=None, recipe={"l_app": 0.1, "flip": True})
    by_text = {record.text: record for record in full.train}
    found = by_text["lunch is at noon"].appraisal
    assert found
    assert found.atoms == (0.4, 0.4, 0.4, 0.4)
    assert [(record.text, record.labels, record.corpus) for record in full.flips] == [
        ("I hate this bad day", ("anger",), "jsonl:learnt~flip")
    ]
    assert full.flips[0].appraisal


def test_a_corpus_keeps_its_own_appraisals(tmp_path: Path) -> None:
    judged = write_jsonl(tmp_path / "judged.jsonl", [{"text": "judged", "labels": ["joy"]}])
    own = corpora(judged, train=("starter",), train_limit=5, recipe={"l_app": 0.1})
    starter = {record.id: record.appraisal for record in load("starter", "train").records}
    assert all(record.appraisal == starter[record.id] for record in own.train)


def test_thresholds_are_tuned_on_dev_records_that_are_not_judged(tmp_path: Path) -> None:
    judged = write_jsonl(tmp_path / "judged.jsonl", [{"text": "judged", "labels": ["joy"]}])
    assert corpora(judged).tune == ()
    dev = {record.id for record in load("starter", "dev").records}
    scored = {"readout": ("scored",), "limit": 20}
    assert {record.id for record in corpora(judged, **scored).tune} == dev
    half = corpora(judged, **scored | {"eval": ("starter:dev",)})
    assert {record.id for record in half.tune} == dev - {record.id for record in half.evals[0].records}
    # A file has no dev split.
    assert corpora(judged, **scored | {"train": (f"jsonl:{write_jsonl(tmp_path / 'l.jsonl')}",)}).tune == ()


def test_a_flip_test_holds_pairs_within_the_limit(tmp_path: Path) -> None:
    texts = ["what a terrible film", "a wonderful evening", "this is a horrible idea", "lunch is at noon"]
    rows = [{"text": text, "labels": ["joy" if "wonder" in text else "anger"]} for text in texts]
    data = write_jsonl(tmp_path / "data.jsonl", rows)
    (whole,) = load_evals((f"flip:jsonl:{data}",), None, 0, None, Teacher())
    assert whole.name == "flip:jsonl:data"
    assert whole.pairs
    assert [record.id for record in whole.records] == [name for pair in whole.pairs for name in pair[:2]]
    (cut,) = load_evals((f"flip:jsonl:{data}",), 2, 0, None, Teacher())
    assert len(cut.pairs) == 1
    with pytest.raises(EmoLoomError, match="no record of it has a mirror image"):
        load_evals((f"flip:jsonl:{write_jsonl(tmp_path / 'none.jsonl', rows[3:])}",), None, 0, None, Teacher())


def test_a_flip_that_somebody_wrote_is_dropped(tmp_path: Path) -> None:
    rows = [{"text": "I love this good day", "labels": ["love"]}, {"text": "lunch is at noon", "labels": ["neutral"]}]
    learnt = write_jsonl(tmp_path / "learnt.jsonl", rows)
    mirror = {"text": "I HATE this  bad day", "labels": ["annoyance"]}
    asks = {"train": (f"jsonl:{learnt}",), "train_limit": None, "recipe": {"flip": True}}
    other, judged = (write_jsonl(tmp_path / f"{n}.jsonl", [row]) for n, row in (("o", ROWS[0]), ("j", mirror)))
    assert len(corpora(other, **asks).flips) == 1
    # It is judged, or it is among the training records with its true labels.
    assert corpora(judged, **asks).flips == ()
    write_jsonl(learnt, [*rows, mirror])
    assert corpora(other, **asks).flips == ()


def test_a_corpus_without_labels_cannot_be_ranked_by_them(tmp_path: Path) -> None:
    vad = {"v": 0.9, "a": 0.5, "d": 0.5}
    bare = write_jsonl(tmp_path / "bare.jsonl", [{"text": "what a day", "vad": vad, "vad_source": "gold"}])
    assert corpora(bare, rank_by="vad_ccc_mean").evals
    with pytest.raises(EmoLoomError, match=r"jsonl:.*bare.jsonl: no evaluation record has labels\. Add a corpus"):
        corpora(bare, rank_by="strict_macro_f1")


def test_flips_alone_are_nothing_to_rank_by(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data.jsonl", [{"text": "what a terrible film", "labels": ["anger"]}])
    with pytest.raises(EmoLoomError, match="no evaluation record has labels or VAD"):
        corpora(data, eval=(f"flip:jsonl:{data}",))
