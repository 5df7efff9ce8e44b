"""Every verb explains itself; every mistake is one line, exit code 2 and nothing written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Emoloom
from tests.screenings import write_jsonl

import emoloom
from emoloom.cli import app
from emoloom.errors import EmoLoomError

VERBS = (
    ("screen",), ("evaluate",), ("predict",), ("fetch",), ("report",), ("verify",), ("drift",), ("runs",),
    ("runs", "ls"), ("runs", "prune"), ("data",), ("data", "ls"), ("data", "show"), ("data", "check"), ("lexicon",),
    ("lexicon", "score"), ("appraisal",), ("appraisal", "fit"), ("appraisal", "card"),
)  # fmt: skip
BASELINE = ("--model", "baseline:tfidf")


def in_shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(emoloom.__file__).parents[1]), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "emoloom", *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_help_lists_every_verb(emoloom: Emoloom) -> None:
    done = emoloom("--help")
    assert (done.code, done.err) == (0, "")
    for verb in {verb[0] for verb in VERBS}:
        assert re.search(rf"^\W*{verb} ", done.out, re.MULTILINE), verb


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help(emoloom: Emoloom, verb: tuple[str, ...]) -> None:
    done = emoloom(*verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"emoloom {' '.join(verb)}" in done.out
    assert "--help" in done.out


@pytest.mark.parametrize("group", [(), ("data",), ("lexicon",), ("appraisal",)], ids=" ".join)
def test_without_a_verb_there_is_help(emoloom: Emoloom, group: tuple[str, ...]) -> None:
    done = emoloom(*group)
    assert (done.code, done.err) == (2, "")
    assert "Usage: emoloom" in done.out


def test_the_version_is_printed(emoloom: Emoloom) -> None:
    assert emoloom("--version") == (0, "emoloom 0.1.0\n", "")


def test_libraries_keep_their_warnings_to_themselves() -> None:
    code = (
        "import contextlib, emoloom.__main__, sys; sys.argv[1:] = ['--version']\n"
        "with contextlib.suppress(SystemExit): emoloom.__main__.main()\n"
        "import huggingface_hub.utils.logging as logging; print(logging.get_verbosity() == logging.ERROR)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(emoloom.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "emoloom 0.1.0\nTrue\n"


def refused(emoloom: Emoloom, tmp_path: Path, *arguments: object) -> str:
    """The one line of a refused command that got ``--out``, if it is ``screen``."""
    out = tmp_path / "out" / "run"
    extra = ("--out", out) if arguments[:1] == ("screen",) and "--out" not in arguments else ()
    done = emoloom(*arguments, *extra)
    assert done.code == 2
    assert done.out == ""
    assert re.fullmatch(r"error: \S.*\n", done.err), done.err
    assert not out.parent.exists()
    return done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("screne", "No such command 'screne'. Did you mean 'screen'? (see emoloom --help)"),
        ("data shw", "Did you mean 'show'"),
        ("screen --modle x", "No such option: --modle (Possible options: --model) (see emoloom screen --help)"),
        ("screen --train-limit 0", "'--train-limit'"),
        ("screen --train-limit few", "'--train-limit'"),
        ("screen --seed 5000000000 --model baseline:tfidf", "seed is 5000000000"),
        ("screen", "model is not given. Pass --model"),
        ("screen --model pypi:smollm2-135", "Did you mean smollm2-135m-instruct"),
        ("screen --model pypi:gema3-270m", "unknown pypi model 'gema3-270m'. Did you mean gemma3-270m"),
        ("screen --model smollm2-135m", "Did you mean pypi:smollm2-135m-instruct"),
        ("screen --model git:x", "unknown model source 'git'"),
        ("screen --model hf:x", "hf:x: 'x' is not ORG/NAME[@REV]"),
        ("screen --model path:/no/such/folder", "/no/such/folder: there is no such folder"),
        ("screen --model gguf:/no/such/file", "there is no such file"),
        ("screen --model baseline:tfdf", "Did you mean tfidf"),
        ("screen --model baseline:tfidf --train startr", "unknown corpus 'startr'. Did you mean starter"),
        ("screen --model baseline:tfidf --eval starter:tets", "unknown split 'tets'. Did you mean test"),
        ("screen --model baseline:tfidf --eval emobank", "no data folder given"),
        ("screen --model baseline:tfidf --data-dir /no/such --eval emobank", "the data folder does not exist"),
        ("screen --model baseline:tfidf --lexicon wariner", "Did you mean warriner"),
        ("screen --model baseline:tfidf --lexicon warriner", "emoloom fetch lexicon:warriner"),
        ("screen --model baseline:tfidf --eval jsonl:/no/such.jsonl", "/no/such.jsonl: cannot read"),
        ("screen --config /no/such.yaml", "/no/such.yaml: cannot read: No such file"),
        ("evaluate", "Missing option '--eval'"),
        ("evaluate --eval starter", "no model is given"),
        ("evaluate --eval starter --model baseline:tfidf", "Name a model"),
        ("evaluate --eval starter --run /no/such", "Is this the folder of a run?"),
        ("predict /no/such", "/no/such: cannot read"),
        ("report /no/such", "Is this the folder of a run?"),
        ("report", "Missing argument 'RUN'"),
        ("runs /no/such", "there is no such folder"),
        ("fetch lexicon:warrner", "Did you mean warriner"),
        ("fetch", "Missing argument"),
        ("lexicon score", "Missing option '--lexicon'"),
        ("lexicon score --lexicon warriner", "Run `emoloom fetch lexicon:warriner`"),
        ("data ls --data-dir /no/such", "does not exist"),
        ("data show startr", "Did you mean starter"),
        ("data show starter:tets", "Did you mean test"),
        ("data check startr", "Did you mean starter"),
    ],
)
def test_a_mistake_is_one_line(emoloom: Emoloom, tmp_path: Path, arguments: str, message: str) -> None:
    assert message in refused(emoloom, tmp_path, *arguments.split())


@pytest.mark.parametrize("flag", ["--train", "--eval"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a", "labels": ["joy"]}\n{"text": \n', "in.jsonl:2: not JSON"),
        ('{"text": "a", "labels": ["joyy"]}\n', "in.jsonl:1: unknown goemotions label 'joyy'. Did you mean joy"),
        ('\n{"text": "a", "lables": ["joy"]}\n', "in.jsonl:2: unknown field 'lables'. Did you mean labels"),
        ('{"text": "a", "vad": {"v": 2, "a": 0, "d": 0}}\n', "in.jsonl:1: field 'vad.v' is 2"),
        ('{"id": "1", "text": "a"}\n{"id": "1", "text": "b"}\n', "in.jsonl:2: id '1' already occurs in line 1"),
        ("", "in.jsonl: no usable row"),
        ('{"text": " "}\n\n', "in.jsonl: no usable row"),
    ],
)
def test_a_malformed_corpus_is_named_with_its_line(
    emoloom: Emoloom, tmp_path: Path, flag: str, content: str, message: str
) -> None:
    (tmp_path / "in.jsonl").write_text(content)
    assert message in refused(emoloom, tmp_path, "screen", *BASELINE, flag, f"jsonl:{tmp_path / 'in.jsonl'}")


def test_a_corpus_without_anything_to_learn_or_judge_is_refused(emoloom: Emoloom, tmp_path: Path) -> None:
    bare = f"jsonl:{write_jsonl(tmp_path / 'bare.jsonl', [{'text': 'a'}])}"
    assert "no record has labels" in refused(emoloom, tmp_path, "screen", *BASELINE, "--train", bare)
    assert "no evaluation record has" in refused(emoloom, tmp_path, "screen", *BASELINE, "--eval", bare)


@pytest.mark.parametrize("content", [b"", b"no", b"GGUF", b"GGUF" + bytes(60), b"GGUF\x03\x00\x00\x00" + b"\xff" * 60])
def test_a_corrupt_gguf_file_is_refused(emoloom: Emoloom, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    assert "x.gguf: " in refused(emoloom, tmp_path, "screen", "--model", f"gguf:{tmp_path / 'x.gguf'}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("modle: [path:x]\nmodel: [baseline:tfidf]", "unknown setting 'modle'. Did you mean model"),
        ("model: [baseline:tfidf]\nlimit: 0", "limit is 0"),
        ("model: [", "not YAML"),
        ("seed: 1", "model is not given"),
    ],
)
def test_bad_settings_are_named_with_their_file(emoloom: Emoloom, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(content)
    line = refused(emoloom, tmp_path, "screen", "--config", tmp_path / "c.yaml")
    assert line.startswith(f"error: {tmp_path / 'c.yaml'}: ")
    assert message in line


@pytest.mark.parametrize("below", ["", "deeper/run"])
def test_a_file_in_place_of_the_folder_is_kept(emoloom: Emoloom, tmp_path: Path, data: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "file" / below
    line = refused(emoloom, tmp_path, "screen", *BASELINE, "--eval", f"jsonl:{data}", "--out", out)
    assert f"{out}: cannot write" in line
    assert (sorted(tmp_path.rglob("*")), (tmp_path / "file").read_text()) == (before, "mine")


@pytest.mark.parametrize("text", ["[red]x[/red]", "[/]", ":smile:", "a" * 300, "two\nlines"])
def test_messages_are_printed_as_they_are(emoloom: Emoloom, text: str) -> None:
    done = emoloom("report", f"/no/{text}")
    assert " ".join(text.split()) in done.err
    assert done.err.count("\n") == 1


def test_an_interrupt_is_130(emoloom: Emoloom, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emoloom.screen.plan.make_plan", interrupt)
    done = emoloom("screen", *BASELINE, "--eval", f"jsonl:{data}")
    assert (done.code, done.out) == (130, "")
    assert done.err == "interrupted: run the same command again to go on\n"


def test_a_defect_keeps_its_traceback(emoloom: Emoloom, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("emoloom.screen.plan.make_plan", broken)
    with pytest.raises(ZeroDivisionError):
        emoloom("screen", *BASELINE)


def test_a_user_error_from_anywhere_is_caught(emoloom: Emoloom, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise EmoLoomError("bad\nthing", where="x", remedy="Mend it.")

    monkeypatch.setattr("emoloom.screen.plan.make_plan", wrong)
    assert emoloom("screen", *BASELINE) == (2, "", "error: x: bad thing. Mend it.\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(5, "Input/output error", "/there"), "error: /there: Input/output error\n"),
        (OSError("odd"), "error: odd\n"),
        (MemoryError(), "error: out of memory. Take a smaller model, "),
        (RuntimeError("[x] DefaultCPUAllocator: can't allocate memory: y"), "error: out of memory. Take a smaller "),
    ],
    ids=repr,
)
def test_what_the_machine_refuses_is_one_line(
    emoloom: Emoloom, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("emoloom.screen.plan.make_plan", refuse)
    done = emoloom("screen", *BASELINE)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(line)


def test_the_installed_command_does_the_same(tmp_path: Path) -> None:
    done = in_shell("screen", "--model", "pypi:gema3-270m", "--out", str(tmp_path / "run"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: pypi:gema3-270m: unknown pypi model 'gema3-270m'. Did you mean gemma3-270m?\n"
    assert not (tmp_path / "run").exists()
    assert in_shell("--version").stdout == f"emoloom {emoloom.__version__}\n"


def test_the_command_needs_no_click_of_its_own() -> None:
    assert "import click" not in Path(app.__file__).read_text("utf-8")
