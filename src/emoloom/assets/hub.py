"""Snapshots of Hugging Face repositories, at one commit and without pickles."""

from __future__ import annotations

from pathlib import Path

from emoloom.assets.cache import Say
from emoloom.assets.folder import CODE_FILES, MODEL_FILES, check_settings
from emoloom.assets.specs import ModelSpec
from emoloom.errors import EmoLoomError


def fetch_snapshot(spec: ModelSpec, *, trust_remote_code: bool, say: Say) -> Path:
    """The folder of the snapshot, named by its commit, in the Hugging Face cache.

    The configuration is fetched first, so that a model that is refused costs no download of weights.

    Raises:
        EmoLoomError: the repository or revision cannot be had, or it is refused for its settings.
    """
    say(f"looking up {spec} on the Hugging Face hub")
    configs = _download(spec, spec.revision, ["*.json"])
    check_settings(configs, trust_remote_code=trust_remote_code)
    commit = configs.name
    patterns = [*MODEL_FILES, "README.md", *(CODE_FILES if trust_remote_code else ())]
    say(f"fetching {spec.location} at commit {commit}")
    return _download(spec, commit, patterns)


def _download(spec: ModelSpec, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError

    try:
        return Path(
            snapshot_download(spec.location, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"])
        )
    except (OSError, ValueError, HTTPError) as error:
        raise EmoLoomError(
            f"the model cannot be fetched ({_first_line(error)})",
            where=str(spec),
            remedy="Check name, revision and network; for a gated model accept its terms and run `hf auth login`.",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
