from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from emoloom.assets.folder import check_folder, fingerprint, stated_licence
from emoloom.errors import EmoLoomError

DECISIVE = [
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "generation_config.json",
    "chat_template.jinja",
    "vocab.txt",
]


def test_good_folder_passes(model_folder: Path) -> None:
    check_folder(model_folder, trust_remote_code=False)


def test_missing_folder_and_missing_config(model_folder: Path) -> None:
    with pytest.raises(EmoLoomError, match="no such folder"):
        check_folder(model_folder / "absent", trust_remote_code=False)
    (model_folder / "config.json").unlink()
    with pytest.raises(EmoLoomError, match=r"no config\.json"):
        check_folder(model_folder, trust_remote_code=False)


@pytest.mark.parametrize("pickle", ["pytorch_model.bin", "weights.pt"])
@pytest.mark.parametrize("trust", [False, True])
def test_pickled_weights_alone_are_refused(model_folder: Path, pickle: str, trust: bool) -> None:
    (model_folder / pickle).write_bytes(b"\x80")
    check_folder(model_folder, trust_remote_code=trust)
    (model_folder / "model.safetensors").unlink()
    with pytest.raises(EmoLoomError, match=pickle) as caught:
        check_folder(model_folder, trust_remote_code=trust)
    assert "save_pretrained" in caught.value.remedy


def test_folder_without_weights_is_refused(model_folder: Path) -> None:
    (model_folder / "model.safetensors").unlink()
    with pytest.raises(EmoLoomError, match=r"no model\.safetensors"):
        check_folder(model_folder, trust_remote_code=False)


def test_sharded_weights_must_all_be_there(model_folder: Path) -> None:
    (model_folder / "model.safetensors").rename(model_folder / "model-1.safetensors")
    index = model_folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    check_folder(model_folder, trust_remote_code=False)
    for absent in ("model-2.safetensors", "../model/model-1.safetensors"):
        index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": absent}}))
        with pytest.raises(EmoLoomError, match="is missing"):
            check_folder(model_folder, trust_remote_code=False)
    for broken in ({}, {"weight_map": ["model-1.safetensors"]}, {"weight_map": {"a": 1}}):
        index.write_text(json.dumps(broken))
        with pytest.raises(EmoLoomError, match="no weight_map"):
            check_folder(model_folder, trust_remote_code=False)


@pytest.mark.parametrize("weights", ["adapter_model.safetensors", "adapter_model.bin"])
def test_an_adapter_beside_the_model_is_refused(model_folder: Path, weights: str) -> None:
    (model_folder / weights).write_bytes(b"\x80")
    check_folder(model_folder, trust_remote_code=False)
    (model_folder / "adapter_config.json").write_text("{}")
    with pytest.raises(EmoLoomError, match="whether it is merged") as caught:
        check_folder(model_folder, trust_remote_code=True)
    assert "merge_and_unload" in caught.value.remedy


def test_front_matter_that_is_no_yaml_is_told(model_folder: Path) -> None:
    for front_matter in ("license: 2023-02-30", "license: " + "[" * 5000):
        (model_folder / "README.md").write_text(f"---\n{front_matter}\n---\n")
        with pytest.raises(EmoLoomError, match="not valid YAML"):
            stated_licence(model_folder)


@pytest.mark.parametrize(
    "place",
    [
        "src/modeling.Model",
        "/tmp/modeling.Model",
        "..\\modeling.Model",
        "repo--modeling.Model",
        [None, "other/repo--tokenization.Toy"],
    ],
)
def test_code_outside_the_folder_is_refused_even_when_trusted(model_folder: Path, place: object) -> None:
    (model_folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModelForCausalLM": place}}))
    with pytest.raises(EmoLoomError, match="outside its folder"):
        check_folder(model_folder, trust_remote_code=True)


def test_a_config_that_nests_too_deep_is_told(model_folder: Path) -> None:
    (model_folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(EmoLoomError, match="not valid JSON"):
        check_folder(model_folder, trust_remote_code=False)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_refused_unless_trusted(model_folder: Path, name: str) -> None:
    (model_folder / name).write_text(json.dumps({"auto_map": {"AutoModelForCausalLM": "modeling.Toy"}}))
    with pytest.raises(EmoLoomError, match="--trust-remote-code") as caught:
        check_folder(model_folder, trust_remote_code=False)
    assert caught.value.where.endswith(name)
    check_folder(model_folder, trust_remote_code=True)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_damaged_config_is_named(model_folder: Path, content: str) -> None:
    (model_folder / "config.json").write_text(content)
    with pytest.raises(EmoLoomError, match=r"config\.json: not"):
        check_folder(model_folder, trust_remote_code=False)


@pytest.mark.parametrize("name", DECISIVE)
def test_fingerprint_changes_with_one_byte_of_any_decisive_file(model_folder: Path, name: str) -> None:
    before = fingerprint(model_folder, trust_remote_code=False)
    content = bytearray((model_folder / name).read_bytes())
    content[-1] ^= 1
    (model_folder / name).write_bytes(content)
    changed = fingerprint(model_folder, trust_remote_code=False)
    assert changed != before
    content[-1] ^= 1
    (model_folder / name).write_bytes(content)
    assert fingerprint(model_folder, trust_remote_code=False) == before


def test_fingerprint_changes_with_a_renamed_an_added_and_a_lost_file(model_folder: Path) -> None:
    prints = [fingerprint(model_folder, trust_remote_code=False)]
    (model_folder / "vocab.txt").rename(model_folder / "merges.txt")
    prints.append(fingerprint(model_folder, trust_remote_code=False))
    (model_folder / "merges.txt").unlink()
    prints.append(fingerprint(model_folder, trust_remote_code=False))
    templates = model_folder / "additional_chat_templates"
    templates.mkdir()
    (templates / "default.jinja").touch()
    prints.append(fingerprint(model_folder, trust_remote_code=False))
    assert len(set(prints)) == len(prints)


def test_fingerprint_covers_code_only_when_it_can_run(model_folder: Path) -> None:
    plain, trusted = (fingerprint(model_folder, trust_remote_code=trust) for trust in (False, True))
    (model_folder / "modeling.py").touch()
    assert fingerprint(model_folder, trust_remote_code=False) == plain
    assert fingerprint(model_folder, trust_remote_code=True) != trusted


def test_fingerprint_ignores_the_model_card_and_the_place(model_folder: Path) -> None:
    before = fingerprint(model_folder, trust_remote_code=False)
    (model_folder / "README.md").unlink()
    moved = model_folder.rename(model_folder.with_name("moved"))
    assert fingerprint(moved, trust_remote_code=False) == before


def test_fingerprint_is_the_documented_hash(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("2")
    (tmp_path / "a.safetensors").write_text("1")
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"1", b"2"))
    expected = hashlib.sha256(f"a.safetensors\0{one}\nb.json\0{two}\n".encode()).hexdigest()
    assert fingerprint(tmp_path, trust_remote_code=False) == expected


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\ntags: [x]\n---\n", "not stated"),
        ("# No front matter\n", "not stated"),
    ],
)
def test_licence_comes_from_the_model_card(tmp_path: Path, card: str, licence: str) -> None:
    assert stated_licence(tmp_path) == "not stated"
    (tmp_path / "README.md").write_text(card)
    assert stated_licence(tmp_path) == licence


def test_broken_front_matter_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: [mit\n---\n")
    with pytest.raises(EmoLoomError, match=r"README\.md: the front matter is not valid YAML"):
        stated_licence(tmp_path)
