"""The three baselines: what each learns, scikit-learn as oracle, the edges, and the linear model's level on GoEmotions."""

from __future__ import annotations

import csv
import os
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score
from sklearn.pipeline import make_union

from emoloom.contract.affect import AFFECT, VAD, anchor
from emoloom.contract.parse import Parsed, parse_reply
from emoloom.contract.record import Record, Request, Vad
from emoloom.contract.taxonomy import GOEMOTIONS
from emoloom.errors import EmoLoomError
from emoloom.screen.baselines import RIDGE, Baseline, Lexicon, Majority, Tfidf
from emoloom.screen.readouts.tuning import SHRINKAGE, tune_thresholds

DATA = Path(os.environ.get("EMOLOOM_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
GOEMOTIONS_FOLDER = DATA / "goemotions"

WORDS = {
    "joy": ["sunny", "dance", "party", "laughing"],
    "anger": ["furious", "slammed", "shouting", "rage"],
    "fear": ["creaking", "shadow", "trembling", "alone"],
}
FILLERS = ["the", "a", "was", "today", "it", "and", "there", "we", "she", "went", "home", "then"]


def record(text: str, *labels: str, vad: VAD | None = (0.5, 0.5, 0.5), weight: float = 1.0) -> Record:
    triple = Vad(v=vad[0], a=vad[1], d=vad[2]) if vad else None
    return Record(id="r", text=text, labels=labels, vad=triple, vad_weight=weight, corpus="c", split="train")


def request(text: str) -> Request:
    return Request(id="q", text=text)


def emotional_records(n: int, seed: int = 0) -> list[Record]:
    """Texts of filler words and two words of each of their one or two labels; VAD is the labels' anchor."""
    rng = random.Random(seed)
    return [emotional_record(rng) for _ in range(n)]


def emotional_record(rng: random.Random) -> Record:
    labels = GOEMOTIONS.ordered(rng.sample(sorted(WORDS), rng.choice([1, 1, 2])))
    words = rng.sample(FILLERS, 5) + [word for label in labels for word in rng.sample(WORDS[label], 2)]
    rng.shuffle(words)
    return record(" ".join(words), *labels, vad=anchor(labels))


def blind_lexicon() -> Lexicon:
    return Lexicon(lambda _: (0.5, 0.5, 0.5))


ALL = [
    pytest.param(Majority, id="majority"),
    pytest.param(blind_lexicon, id="lexicon"),
    pytest.param(Tfidf, id="tfidf"),
]


@pytest.mark.parametrize("make", ALL)
def test_every_reply_is_valid_and_two_fits_agree(make: type[Baseline]) -> None:
    records = emotional_records(60)
    requests = [*emotional_records(20, seed=1), request(""), request("\U0001f600"), request("日本")]
    lines = [[reply.line() for reply in make().fit(records).predict(requests)] for _ in range(2)]
    assert lines[0] == lines[1]
    assert len(lines[0]) == len(requests)
    for line in lines[0]:
        assert isinstance(parsed := parse_reply(line, GOEMOTIONS), Parsed)
        assert parsed.repairs == ()


@pytest.mark.parametrize("make", ALL)
def test_no_requests_give_no_replies(make: type[Baseline]) -> None:
    assert make().fit(emotional_records(10)).predict([]) == []


@pytest.mark.parametrize("make", ALL)
def test_one_label_is_the_constant_answer(make: type[Baseline]) -> None:
    records = [record(text, "joy") for text in ("a b", "c d", "", "e f")]
    replies = make().fit(records).predict([request("a b"), request("zzz"), request("")])
    assert [reply.labels for reply in replies] == [("joy",)] * 3


@pytest.mark.parametrize("make", ALL)
def test_a_single_training_record_is_enough(make: type[Baseline]) -> None:
    (reply,) = make().fit([record("so sunny", "joy", "love")]).predict([request("sunny")])
    assert set(reply.labels) <= {"joy", "love"}
    assert reply.triple == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("make", ALL)
def test_training_records_without_labels_are_refused(make: type[Baseline]) -> None:
    with pytest.raises(EmoLoomError, match="training records with labels"):
        make().fit([record("a")])


@pytest.mark.parametrize("make", [Majority, Tfidf])
def test_training_records_without_vad_are_refused(make: type[Baseline]) -> None:
    with pytest.raises(EmoLoomError, match="training records with VAD"):
        make().fit([record("a", "joy", vad=None), record("b", "joy", weight=0.0)])


def test_majority_gives_the_most_frequent_set_and_the_weighted_mean() -> None:
    records = [
        record("a", "joy", "love", vad=(0.9, 0.1, 0.5)),
        record("b", "joy", "love", vad=(0.1, 0.9, 0.5), weight=0.5),
        record("c", "joy", vad=None),
        record("d", vad=(0.5, 0.5, 0.9), weight=0.5),
    ]
    majority = Majority().fit(records)
    assert majority.reply.labels == ("joy", "love")
    assert majority.reply.triple == (0.6, 0.4, 0.6)
    assert majority.predict([request("x"), request("y")]) == [majority.reply] * 2


def test_lexicon_undoes_a_narrow_and_shifted_scale() -> None:
    """Readings are the anchors squeezed by ten and moved: after standardising, the true label is nearest."""
    labels = ["joy", "sadness", "anger", "fear", "relief", "neutral", "pride"]

    def squeezed(text: str) -> VAD:
        v, a, d = AFFECT[text].vad
        return 0.6 + v / 10, 0.3 + a / 10, 0.2 + d / 10

    lexicon = Lexicon(squeezed).fit([record(label, label, vad=None) for label in labels])
    replies = lexicon.predict([request(label) for label in labels])
    assert [reply.labels for reply in replies] == [(label,) for label in labels]
    expected = np.array([squeezed(label) for label in labels])
    np.testing.assert_allclose([reply.triple for reply in replies], expected, atol=0.0051)


def test_lexicon_gives_only_labels_of_the_training_records() -> None:
    lexicon = Lexicon(lambda text: AFFECT[text].vad).fit([record(label, label) for label in ("joy", "anger")])
    replies = lexicon.predict([request(label) for label in GOEMOTIONS.labels])
    assert {label for reply in replies for label in reply.labels} == {"joy", "anger"}


def test_tfidf_learns_label_sets_and_vad() -> None:
    model, held_out = Tfidf().fit(emotional_records(150)), emotional_records(100, seed=9)
    replies = model.predict(held_out)
    right = np.mean([reply.labels == r.labels for reply, r in zip(replies, held_out, strict=True)])
    assert right > 0.9
    assert {label for reply in replies for label in reply.labels} == set(WORDS)
    gold, predicted = (np.array([x]) for x in ([anchor(r.labels) for r in held_out], [r.triple for r in replies]))
    assert np.abs(gold - predicted).mean() < 0.1


def test_tfidf_names_the_words_that_speak_for_its_label() -> None:
    (reply,) = (
        Tfidf().fit(emotional_records(100)).predict([request("today she was furious and it was sunny furious rage")])
    )
    assert "furious" in reply.rationale
    assert "sunny" not in reply.rationale
    (blank,) = Tfidf().fit(emotional_records(100)).predict([request(" ")])
    assert blank.rationale == "no telling word"


def test_tfidf_vad_is_a_weighted_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    records = [
        record(r.text, *r.labels, vad=tuple(rng.random(3)), weight=float(rng.choice([0.0, 0.3, 1.0])))
        for r in emotional_records(40)
    ]
    held_out = emotional_records(20, seed=5)
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]"),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    x = features.fit_transform([r.text for r in records]).toarray()
    oracle = Ridge(alpha=RIDGE, solver="cholesky").fit(
        x, [r.vad.triple for r in records if r.vad], sample_weight=[r.vad_weight for r in records]
    )
    expected = oracle.predict(features.transform([r.text for r in held_out]).toarray())
    replies = Tfidf().fit(records).predict(held_out)
    np.testing.assert_allclose([reply.triple for reply in replies], expected.clip(0, 1), atol=0.0051)


def test_records_without_labels_teach_vad_and_records_without_vad_teach_labels() -> None:
    labels = [record(r.text, *r.labels, vad=None) for r in emotional_records(60)]
    vads = [record("sunny party", vad=(0.9, 0.7, 0.6)), record("shadow alone", vad=(0.1, 0.8, 0.2))] * 10
    replies = Tfidf().fit(labels + vads).predict([request("sunny party dance"), request("shadow alone trembling")])
    assert [reply.labels for reply in replies] == [("joy",), ("fear",)]
    assert replies[0].vad.v > 0.7
    assert replies[1].vad.v < 0.3


def test_tfidf_refuses_blank_texts_only() -> None:
    with pytest.raises(EmoLoomError, match="training records with labels"):
        Tfidf().fit([record(" ", "joy"), record("\n", "fear")])


def best_f1(scores: np.ndarray, gold: np.ndarray, lowest: float) -> float:
    return max(float(f1_score(gold, scores >= cut, zero_division=0)) for cut in [*scores, lowest])


@pytest.mark.parametrize("seed", range(10))
def test_a_frequent_label_gets_a_threshold_of_the_best_f1(seed: int) -> None:
    """With one label there is nothing to be drawn towards, so its threshold is the best that any score gives."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(80, 1)).round(1)
    gold = rng.random((80, 1)) < 1 / (1 + np.exp(-2 * scores))
    (threshold,) = tune_thresholds(scores, gold)
    achieved = f1_score(gold[:, 0], scores[:, 0] >= threshold)
    assert achieved == pytest.approx(best_f1(scores[:, 0], gold[:, 0], -9.0), abs=1e-12)


def test_rare_labels_are_drawn_to_the_others_and_absent_ones_never_pass() -> None:
    gold = np.zeros((100, 4), dtype=bool)
    gold[:50, 0] = gold[0, 1] = gold[:, 3] = True
    scores = np.full((100, 4), -1.0)
    scores[:50, 0], scores[0, 1], scores[:, 3] = 2.0, 9.0, 20.0
    own = np.array(
        [(2 - 1) / 2, (9 - 1) / 2, 0.0, 0.0]
    )  # half-way between the two scores; nothing to tune in the others
    support = np.array([50, 1, 0, 100])
    shared = (support * own).sum() / support.sum()
    expected = (support * own + SHRINKAGE * shared) / (support + SHRINKAGE)
    np.testing.assert_allclose(tune_thresholds(scores, gold), np.where(support > 0, expected, np.inf), atol=1e-12)


def read_goemotions(name: str) -> list[Record]:
    with (GOEMOTIONS_FOLDER / name).open(encoding="utf-8", newline="") as file:
        rows = [
            (text, [GOEMOTIONS.labels[int(i)] for i in ids.split(",")])
            for text, ids, _ in csv.reader(file, delimiter="\t")
        ]
    return [record(text, *labels, vad=anchor(labels)) for text, labels in rows]


@pytest.mark.skipif(not GOEMOTIONS_FOLDER.is_dir(), reason="needs the GoEmotions files in $EMOLOOM_DATA/goemotions")
def test_tfidf_reaches_its_known_level_on_goemotions() -> None:
    train, test = read_goemotions("train.tsv"), read_goemotions("test.tsv")
    random.Random(0).shuffle(train)
    replies = Tfidf().fit(train[:1500]).predict(test)
    gold, predicted = (
        np.array([[label in x.labels for label in GOEMOTIONS.labels] for x in side]) for side in (test, replies)
    )
    assert f1_score(gold, predicted, average="macro", zero_division=0) > 0.31
