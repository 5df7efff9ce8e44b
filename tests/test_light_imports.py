"""What a user waits for at the prompt loads no heavy library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import emoloom

HEAVY = {"torch", "transformers", "sklearn", "ray"}


def loaded_by(module: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after importing ``module``."""
    code = f"import json, sys, {module}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_command_line_is_light() -> None:
    if not (Path(emoloom.__file__).parent / "cli" / "app.py").exists():
        pytest.skip("there is no command line yet")
    assert not loaded_by("emoloom.cli.app") & HEAVY


def test_the_contract_is_light() -> None:
    loaded = loaded_by("emoloom.contract.schema, emoloom.contract.parse, emoloom.contract.prompt")
    assert "pydantic" in loaded
    assert not loaded & (HEAVY | {"numpy"})
