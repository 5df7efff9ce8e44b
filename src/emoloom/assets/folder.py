"""What a model folder must hold, and the fingerprint of all that decides its results."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from emoloom.assets.cache import MARKER, remembered_sha256
from emoloom.errors import EmoLoomError
from emoloom.store.files import parse_json

MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt")
"""Weights, configuration, tokenizer and chat template: the files that can change results."""

CODE_FILES = ("*.py",)
"""Files that can change results once remote code is trusted."""

_CONFIGS = ("config.json", "tokenizer_config.json")
_ADAPTER = "adapter_config.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def check_folder(folder: Path, *, trust_remote_code: bool) -> None:
    """Refuse a folder that is no model, that holds its weights as pickles alone, that holds an adapter beside them or that wants
    to run its own code.

    Raises:
        EmoLoomError: naming the file and what to do.
    """
    if not folder.is_dir():
        raise EmoLoomError("there is no such folder", where=str(folder))
    if not (folder / "config.json").is_file():
        raise EmoLoomError(
            "the folder has no config.json",
            where=str(folder),
            remedy="Name the folder that save_pretrained wrote model and tokenizer to.",
        )
    check_settings(folder, trust_remote_code=trust_remote_code)
    _check_weights(folder)


def check_settings(folder: Path, *, trust_remote_code: bool) -> None:
    """Refuse a model that comes with an adapter, or with Python code unless that is trusted and lies in the folder, where it can
    be hashed.

    Raises:
        EmoLoomError: naming the configuration file.
    """
    if (folder / _ADAPTER).exists():
        # transformers would put it on unasked, from a pickle if need be, and a second time where it is merged.
        raise EmoLoomError(
            "an adapter lies beside the model, which does not say whether it is merged into it",
            where=str(folder / _ADAPTER),
            remedy="If it is, name a copy of the folder without the adapter's files; if not, merge it (peft: merge_and_unload) "
            "and name the folder that save_pretrained wrote.",
        )
    for config in (folder / name for name in _CONFIGS if (folder / name).is_file()):
        auto_map = _read_object(config).get("auto_map")
        if auto_map and not trust_remote_code:
            raise untrusted("the model brings its own Python code", str(config))
        if any(elsewhere in json.dumps(auto_map) for elsewhere in ("--", "/", "\\")):
            raise EmoLoomError(
                "the model's code lies outside its folder, where it can change unseen",
                where=str(config),
                remedy="Copy model and code into one folder and have auto_map name files in it, as `FILE.CLASS`.",
            )


def untrusted(problem: str, where: str) -> EmoLoomError:
    """The error for Python code that somebody else has written and nobody here has said to trust."""
    return EmoLoomError(
        f"{problem}, which can do anything on this machine",
        where=where,
        remedy="Read that code; if you trust it, pass --trust-remote-code.",
    )


def fingerprint(folder: Path, *, trust_remote_code: bool) -> str:
    """Hex sha256 over the sorted (name, sha256) pairs of every file that can change results."""
    lines = [f"{name}\0{digest}\n" for name, digest in file_hashes(folder, trust_remote_code=trust_remote_code).items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_hashes(folder: Path, *, trust_remote_code: bool) -> dict[str, str]:
    """sha256 by file name, sorted, of every file that can change results."""
    patterns = (*MODEL_FILES, "additional_chat_templates/*.jinja", *(CODE_FILES if trust_remote_code else ()))
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.name != MARKER}
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: remembered_sha256(names[name]) for name in sorted(names)}


def stated_licence(folder: Path) -> str:
    """The licence in the front matter of the model card, or "not stated"."""
    card = folder / "README.md"
    text = card.read_text("utf-8", errors="replace") if card.is_file() else ""
    if not text.startswith("---\n"):
        return "not stated"
    try:
        front_matter = yaml.safe_load(text.split("\n---", 1)[0])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise EmoLoomError(
            "the front matter is not valid YAML", where=str(card), remedy="Mend or delete it."
        ) from error
    return str(front_matter.get("license", "not stated")) if isinstance(front_matter, dict) else "not stated"


def _check_weights(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        if not (folder / "model.safetensors").is_file():
            raise _no_safetensors(folder)
        return
    shards = _read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise EmoLoomError("no weight_map in it", where=str(index), remedy="Download the model again.")
    for shard in sorted(set(shards.values())):
        if shard != Path(shard).name or not (folder / shard).is_file():
            raise EmoLoomError(f"the shard {shard!r} is missing", where=str(index), remedy="Download the model again.")


def _no_safetensors(folder: Path) -> EmoLoomError:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        return EmoLoomError(
            f"the weights are pickled ({pickles[0]}), and reading a pickle can run any code",
            where=str(folder),
            remedy="Use a safetensors version; where you trust the file, load it and call "
            "save_pretrained(NEW_FOLDER), which writes safetensors.",
        )
    return EmoLoomError(
        "the folder has no model.safetensors",
        where=str(folder),
        remedy="Choose a model or revision that is published as safetensors.",
    )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text("utf-8"))
    except ValueError as error:
        raise EmoLoomError(f"not valid JSON ({error})", where=str(path), remedy="Download the model again.") from error
    if not isinstance(content, dict):
        raise EmoLoomError("not a JSON object", where=str(path), remedy="Download the model again.")
    return content
