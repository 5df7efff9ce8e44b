"""What a result depends on besides its inputs: code, libraries, device, threads."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import emoloom

_LIBRARIES = (
    "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "scipy", "scikit-learn", "simplemma", "llguidance",
)  # fmt: skip
# Where they are installed, transformers runs some models' layers by their kernels.
_FASTER = ("kernels", "causal-conv1d", "mamba-ssm", "flash-linear-attention", "flash-attn")
# What makes the libraries choose other kernels or another number of threads, and so sum in another order.
_KERNELS = (
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
)
# Packages whose code shows results but cannot change them.
_SHOWS = ("cli", "report")


@cache
def environment() -> dict[str, Any]:
    """The versions and the machine class that go into every cell's key."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return {
        "emoloom": emoloom.__version__,
        "code": code_digest(),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES} | _faster(),
        "device_class": "cuda" if torch.cuda.is_available() else "cpu",
        "device": device,
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "kernels": {name: os.environ[name] for name in _KERNELS if name in os.environ},
    }


def _faster() -> dict[str, str]:
    found = {}
    for name in _FASTER:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def code_digest(*patterns: str) -> str:
    """sha256 over the source files that match one of ``patterns`` (such as ``data/*.py``), or over all that can change a
    result."""
    root = Path(emoloom.__file__).parent
    files = {path for pattern in patterns or ["**/*.py"] for path in root.glob(pattern)}
    total = hashlib.sha256()
    for path in sorted(path for path in files if path.relative_to(root).parts[0] not in _SHOWS):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
