"""``emoloom drift``: one plan on two machines, or in two dtypes, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def drift(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of a run.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of another run on the same records.")],
) -> None:
    """Compare two runs of one plan from different machines: which replies differ, from where on, and by how much."""
    from emoloom.report.drift import print_drift
    from emoloom.screen.finished.drift import compare
    from emoloom.store.run import RunFolder

    print_drift(compare(RunFolder(a), RunFolder(b)))
