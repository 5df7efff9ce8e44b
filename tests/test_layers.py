"""Dependencies point one way. Reads every import in the package and holds it against the ranks below."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import emoloom

ROOT = Path(emoloom.__file__).parent

LAYERS = (
    ("",),  # emoloom/__init__.py itself: the version
    ("errors",),
    ("contract",),
    ("config",),
    ("store",),
    ("assets",),
    ("lexicon", "data"),
    ("mixture",),
    ("model",),
    ("train", "decode", "evaluate"),
    ("screen",),
    ("report", "export"),
    ("cli",),
    ("__main__",),
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
MODELS = {"torch", "transformers", "emoloom.model", "emoloom.train", "emoloom.decode"}


class Import(NamedTuple):
    """``file`` (relative to the package) imports ``module`` (dotted, absolute)."""

    file: Path
    module: str

    @property
    def importer(self) -> str:
        """The part of EmoLoom that ``file`` belongs to."""
        return "" if self.file == Path("__init__.py") else self.file.parts[0].removesuffix(".py")

    @property
    def imported(self) -> str | None:
        """The part of EmoLoom that is imported, or None for another library."""
        top, *rest = self.module.split(".")
        return (rest[0] if rest else "") if top == "emoloom" else None

    def is_of(self, modules: set[str]) -> bool:
        return any(f"{self.module}.".startswith(f"{module}.") for module in modules)


def imports(root: Path) -> Iterator[Import]:
    """Every import below ``root``, wherever in a file it stands."""
    for path in sorted(root.rglob("*.py")):
        file = path.relative_to(root)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (Import(file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    package = ("emoloom", *file.parent.parts)
                    base = ".".join((*package[: len(package) + 1 - node.level], *filter(None, [node.module])))
                for alias in node.names:
                    inside = base == "emoloom" and any(
                        (root / name).exists() for name in (alias.name, f"{alias.name}.py")
                    )
                    yield Import(file, f"{base}.{alias.name}" if inside else base)


def broken_rules(found: Import) -> Iterator[str]:
    """What is wrong with one import."""
    importer, imported = found.importer, found.imported
    for part in {importer, imported} - {None}:
        if part not in RANK:
            yield f"{part} has no layer"
            return
    if imported is not None and imported != importer:
        if RANK[imported] >= RANK[importer]:
            yield "points up or sideways"
        if importer == "__main__" and imported != "cli":
            yield "__main__ imports cli only"
    library = found.module.split(".")[0]
    if importer == "evaluate" and not (
        imported in {"evaluate", "contract", "errors"} or library == "numpy" or library in sys.stdlib_module_names
    ):
        yield "evaluate needs numpy, the contract and nothing else"
    if library == "ray" and found.file != Path("screen/ray.py"):
        yield "only screen/ray.py imports ray"
    if importer in {"report", "export"} and found.is_of(MODELS):
        yield "report and export read the store, never a model"


def broken(root: Path) -> set[tuple[str, str, str]]:
    return {(found.file.as_posix(), found.module, rule) for found in imports(root) for rule in broken_rules(found)}


def test_dependencies_point_one_way() -> None:
    assert broken(ROOT) == set()


def test_all_imports_are_seen() -> None:
    seen = {(found.file.as_posix(), found.module) for found in imports(ROOT)}
    assert ("contract/parse.py", "emoloom.contract.record") in seen
    assert ("contract/taxonomy.py", "emoloom.errors") in seen


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("contract/x.py", "from emoloom.store import keys", "points up or sideways"),
        ("contract/x.py", "from emoloom import store", "points up or sideways"),
        ("contract/x.py", "from .. import store", "points up or sideways"),
        ("contract/x.py", "def f():\n    from ..store.keys import key", "points up or sideways"),
        ("errors.py", "import emoloom.contract.record as r", "points up or sideways"),
        ("__init__.py", "from emoloom.errors import EmoLoomError", "points up or sideways"),
        ("config.py", "import emoloom.store", "points up or sideways"),
        ("contract/x.py", "import emoloom.config", "points up or sideways"),
        ("lexicon/x.py", "from emoloom.data import goemotions", "points up or sideways"),
        ("train/x.py", "from emoloom.decode import fast", "points up or sideways"),
        ("report/x.py", "from emoloom.export import card", "points up or sideways"),
        ("cli/x.py", "from emoloom.plugins import all", "plugins has no layer"),
        ("plugins.py", "import json", "plugins has no layer"),
        ("__main__.py", "from emoloom.errors import EmoLoomError", "__main__ imports cli only"),
        ("evaluate/x.py", "import scipy.stats", "evaluate needs numpy, the contract and nothing else"),
        ("evaluate/x.py", "from emoloom.store import keys", "evaluate needs numpy, the contract and nothing else"),
        ("screen/local.py", "import ray", "only screen/ray.py imports ray"),
        ("report/x.py", "import torch.nn", "report and export read the store, never a model"),
        ("export/x.py", "from transformers import AutoModel", "report and export read the store, never a model"),
        ("export/x.py", "from emoloom.train import loop", "report and export read the store, never a model"),
        ("report/x.py", "from emoloom import model", "report and export read the store, never a model"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, file: str, line: str, rule: str) -> None:
    write(tmp_path, file, line)
    assert {found for _, _, found in broken(tmp_path)} == {rule}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("contract/x.py", "import json\nfrom emoloom.errors import EmoLoomError\nfrom emoloom.contract import record"),
        ("contract/x.py", "from . import record\nfrom ..errors import EmoLoomError"),
        ("evaluate/x.py", "import math\nimport numpy as np\nfrom emoloom.contract.affect import VAD"),
        ("screen/ray.py", "import ray"),
        ("report/x.py", "from emoloom.store import runs\nimport torchless"),
        ("screen/cell.py", "from emoloom import decode, evaluate, train"),
        ("cli/x.py", "from emoloom import __version__"),
        ("__main__.py", "import sys\nfrom emoloom.cli.app import main"),
    ],
)
def test_a_right_import_is_let_through(tmp_path: Path, file: str, line: str) -> None:
    write(tmp_path, file, line)
    assert broken(tmp_path) == set()


def write(root: Path, file: str, line: str) -> None:
    """A package with empty parts and one file of interest."""
    for part in RANK.keys() - {"", "errors", "config", "__main__"}:
        (root / part).mkdir()
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(line, encoding="utf-8")
