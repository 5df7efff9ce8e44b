from __future__ import annotations

from pathlib import Path

import pytest

from emoloom.assets.specs import ModelSpec, parse_spec
from emoloom.errors import EmoLoomError


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("hf:Qwen/Qwen1.5-1.8B-Chat", ModelSpec("hf", "Qwen/Qwen1.5-1.8B-Chat")),
        ("hf:Qwen/Qwen-1_8B@refs/pr/3", ModelSpec("hf", "Qwen/Qwen-1_8B", "refs/pr/3")),
        ("path:/models/a b", ModelSpec("path", "/models/a b")),
        ("path:C:\\models", ModelSpec("path", "C:\\models")),
        ("gguf:x@y.gguf", ModelSpec("gguf", "x@y.gguf")),
        ("pypi:gemma3-270m", ModelSpec("pypi", "gemma3-270m")),
        ("baseline:tfidf", ModelSpec("baseline", "tfidf")),
    ],
)
def test_spec_is_read_and_written_back(text: str, spec: ModelSpec) -> None:
    assert parse_spec(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("smollm2", "Did you mean pypi:smollm2-135m-instruct?"),
        ("majorty", "Did you mean baseline:majority?"),
        ("Qwen/Qwen1.5-1.8B-Chat", "Did you mean hf:Qwen/Qwen1.5-1.8B-Chat?"),
        ("some/model.GGUF", "Did you mean gguf:some/model.GGUF?"),
        ("zzz", "Write hf:ORG/NAME[@REV]"),
        ("", "Write hf:ORG/NAME[@REV]"),
        ("pypi:gemma", "Did you mean gemma3-270m?"),
        ("baseline:tfdf", "Did you mean tfidf?"),
        ("hff:a/b", "Did you mean hf?"),
        ("hf:gpt2", "'gpt2' is not ORG/NAME[@REV]"),
        ("hf:a/b@", "is not ORG/NAME[@REV]"),
        ("hf:../../etc", "is not ORG/NAME[@REV]"),
        ("hf:a/b/c", "is not ORG/NAME[@REV]"),
        ("path:", "nothing follows the colon"),
    ],
)
def test_mistake_is_answered_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(EmoLoomError) as caught:
        parse_spec(text)
    assert hint in str(caught.value)


def test_bare_folder_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError) as caught:
        parse_spec(str(tmp_path))
    assert f"path:{tmp_path}" in str(caught.value)
