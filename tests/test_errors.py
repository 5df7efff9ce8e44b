"""An error is one line: place, bad value, remedy."""

from __future__ import annotations

import errno
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoloom.errors import EmoLoomError, is_out_of_memory, unknown_name


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (EmoLoomError("budget is negative"), "budget is negative"),
        (EmoLoomError("budget is negative", where="--budget"), "--budget: budget is negative"),
        (EmoLoomError("budget is negative", remedy="Give minutes."), "budget is negative. Give minutes."),
        (EmoLoomError("no such file.", where="a.yaml:3", remedy="Write it."), "a.yaml:3: no such file. Write it."),
        (EmoLoomError("two\n  lines", where="x\ty", remedy="Mend\nit."), "x y: two lines. Mend it."),
    ],
    ids=str,
)
def test_line(error: EmoLoomError, line: str) -> None:
    assert str(error) == line
    assert error.args == (line,)


@settings(deadline=None, derandomize=True)
@given(st.text(), st.text(), st.text())
def test_an_error_is_always_one_line(problem: str, where: str, remedy: str) -> None:
    assert len(str(EmoLoomError(problem, where=where, remedy=remedy)).splitlines()) <= 1


def test_an_error_survives_the_way_from_a_worker() -> None:
    error = EmoLoomError("bad", where="here", remedy="Mend it.")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is EmoLoomError
    assert (str(copy), copy.problem, copy.where, copy.remedy) == ("here: bad. Mend it.", "bad", "here", "Mend it.")


def test_unknown_names_get_the_closest_or_all() -> None:
    known = ["anger", "joy", "relief"]
    assert str(unknown_name("label", "releif", known)) == "unknown label 'releif'. Did you mean relief?"
    assert (
        str(unknown_name("label", "xyz", known, where="f:1")) == "f:1: unknown label 'xyz'. Known: anger, joy, relief."
    )
    assert "Did you mean" not in str(unknown_name("label", "", known))


def test_at_most_three_names_are_offered() -> None:
    remedy = unknown_name("model", "qwen", ["qwen1", "qwen2", "qwen3", "qwen4"]).remedy
    assert remedy.count("qwen") == 3


class OutOfMemoryError(RuntimeError):
    """What torch calls the one of an accelerator."""


def caused_by(cause: Exception) -> EmoLoomError:
    error = EmoLoomError("cannot load the model")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA out of memory."), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (caused_by(MemoryError()), True),
        (caused_by(OutOfMemoryError()), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("shape mismatch"), False),
        (caused_by(ValueError("no memory of it")), False),
        (None, False),
    ],
    ids=repr,
)
def test_out_of_memory_is_known_by_class_message_or_cause(error: BaseException | None, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_torch_says_so_in_these_words() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert torch.OutOfMemoryError.__name__ == "OutOfMemoryError"
