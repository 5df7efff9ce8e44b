"""Reading norms files of every known format, and the errors for broken ones."""

from __future__ import annotations

import hashlib
import statistics
from pathlib import Path

import pytest

from emoloom.errors import EmoLoomError
from emoloom.lexicon.norms import Lexicon, normalise_term

WARRINER = "Word,V.Mean.Sum,V.SD.Sum,A.Mean.Sum,A.SD.Sum,D.Mean.Sum,D.SD.Sum\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "norms.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(WARRINER + "sun,9,1,1,1,5,1\n", (1.0, 0.0, 0.5), id="warriner"),
        pytest.param(',"Word",V.Mean.Sum,A.Mean.Sum,D.Mean.Sum\n1,"sun",9,1,5\n', (1.0, 0.0, 0.5), id="warriner-index"),
        pytest.param("Word\tValence\tArousal\tDominance\nsun\t1.000\t0.25\t0\n", (1.0, 0.25, 0.0), id="nrc1"),
        pytest.param("sun\t1.000\t0.25\t0\n", (1.0, 0.25, 0.0), id="nrc1-headerless"),
        pytest.param("term\tvalence\tarousal\tdominance\nsun\t1\t0.5\t0\n", (1.0, 0.75, 0.5), id="nrc2"),
        pytest.param("sun\t1\t-0.5\t0\n", (1.0, 0.25, 0.5), id="nrc2-headerless"),
        pytest.param(
            "Description,Word No.,Valence Mean,Valence SD,Arousal Mean,Arousal SD,Dominance Mean,Dominance SD\n"
            "sun,1,9,0.1,3,0.1,5,0.1\n",
            (1.0, 0.25, 0.5),
            id="anew",
        ),
        pytest.param(
            "Word\tWdnum\tValMn\tValSD\tAroMn\tAroSD\tDomMn\nsun\t1\t9\t0\t3\t0\t5\n", (1.0, 0.25, 0.5), id="anew-tab"
        ),
        pytest.param("# scale: -3..3\nword,v,a,d\nsun,3,0,-3\n", (1.0, 0.5, 0.0), id="plain"),
        pytest.param("\ufeff# scale: 0..10\r\nword,v,a,d\r\n\r\nsun,10,5,0\r\n", (1.0, 0.5, 0.0), id="plain-bom-crlf"),
    ],
)
def test_reads_format(tmp_path: Path, text: str, expected: tuple[float, float, float]) -> None:
    assert Lexicon.read(write(tmp_path, text)).entries == {"sun": pytest.approx(expected)}


def test_records_name_digest_and_longest_term(tmp_path: Path) -> None:
    path = write(
        tmp_path, "term\tvalence\tarousal\tdominance\nfed  up\t-1\t0\t0\nGlad\t1\t0\t0\nout of the blue\t0\t1\t0\n"
    )
    lexicon = Lexicon.read(path, name="small")
    assert lexicon.name == "small"
    assert lexicon.max_words == 4
    assert lexicon.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(lexicon.entries) == {"fed up", "glad", "out of the blue"}
    assert Lexicon.read(path).name == "norms"


def test_centre_and_spread_are_mean_and_population_deviation(tmp_path: Path) -> None:
    lexicon = Lexicon.read(write(tmp_path, "a\t0.1\t0.5\t0.2\nb\t0.4\t0.5\t0.9\nc\t0.7\t0.5\t0.3\n"))
    axes = list(zip(*lexicon.entries.values(), strict=True))
    assert lexicon.centre == pytest.approx([statistics.fmean(axis) for axis in axes])
    assert lexicon.spread == pytest.approx([statistics.pstdev(axes[0]), 1.0, statistics.pstdev(axes[2])])


def test_same_spelling_with_same_values_is_read_once(tmp_path: Path) -> None:
    assert len(Lexicon.read(write(tmp_path, "sun\t1\t0\t0\nsun\t1\t0\t0\n")).entries) == 1


@pytest.mark.parametrize("rows", ["COKE\t0\t0\t0\ncoke\t1\t1\t1\n", "coke\t1\t1\t1\nCOKE\t0\t0\t0\n"])
def test_lower_case_spelling_wins(tmp_path: Path, rows: str) -> None:
    assert Lexicon.read(write(tmp_path, rows)).entries == {"coke": (1.0, 1.0, 1.0)}


def test_normalise_term() -> None:
    assert normalise_term("  Can’t   Wait ") == "can't wait"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param(WARRINER + "sun,9,1,1,1,5,1\nsea,9.5,1,1,1,5,1\n", 3, "9.5 is outside the scale 1..9", id="above"),
        pytest.param("Word\tValence\tArousal\tDominance\nsun\t-0.2\t0\t0\n", 2, "outside the scale 0..1", id="below"),
        pytest.param("word,v,a,d\nsun,1,1,1\n", 1, "scale is not declared", id="undeclared"),
        pytest.param("sun\t1\t0\t0\nsea\tNA\t0\t0\n", 2, "'NA' is not a number", id="not-a-number"),
        pytest.param("sun\t1\t0\t0\nsea\tnan\t0\t0\n", 2, "nan is outside", id="nan"),
        pytest.param("sun\t1\t0\t0\nsea\t1\n", 2, "2 columns, at least 4 needed", id="short-row"),
        pytest.param("sun\t1\t0\t0\n\t1\t1\t1\n", 2, "the word is empty", id="no-word"),
        pytest.param(
            "# scale: 1..9\nword,v,a,d\nsun,1,1,1\n\nsun,2,1,1\n", 5, "other values in line 3", id="duplicate"
        ),
        pytest.param("positive,negative\nsun,1\n", 1, "unknown lexicon format", id="unknown"),
        pytest.param("", None, "the lexicon is empty", id="empty"),
        pytest.param("\n \n", None, "the lexicon is empty", id="blank"),
        pytest.param(WARRINER, None, "no words", id="header-only"),
        pytest.param("# scale: 9..1\nword,v,a,d\nsun,1,1,1\n", None, "scale 9..1 is empty", id="reversed-scale"),
    ],
)
def test_broken_file(tmp_path: Path, text: str, line: int | None, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(EmoLoomError) as caught:
        Lexicon.read(path)
    assert problem in caught.value.problem
    assert caught.value.where == (f"{path}:{line}" if line else str(path))


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="cannot read the lexicon"):
        Lexicon.read(tmp_path / "absent.csv")
    path = tmp_path / "latin1.csv"
    path.write_bytes(b"caf\xe9\t0\t0\t0\n")
    with pytest.raises(EmoLoomError, match="not UTF-8 at byte 3"):
        Lexicon.read(path)
