"""``emoloom verify``: is a run still what was written, and does it come out again?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emoloom.cli import options
from emoloom.errors import EmoLoomError

DIFFERS = 1
"""The exit code where something was found."""
_STOPPED = "the replay stopped (--replay 0 does without; files of your own are looked for from this folder)"


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    replay: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many random replies to decode anew; 0 loads no model.")
    ] = 4,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that holds the corpora; $EMOLOOM_DATA by default.")
    ] = None,
    trust_remote_code: options.TrustRemoteCode = None,
) -> None:
    """Check the hash chain and every file of a finished run, then replay some replies with the reference decoder.

    Each finding is a line FILE: PLACE: WHAT. Exit code 0: nothing found; 1: something was. Replies of baselines are held
    against their hashes only.
    """
    from emoloom.store.check import check
    from emoloom.store.run import RunFolder

    checked = check(run)
    findings, stopped = [*checked.findings], None
    replayed = f"no reply replayed{', since the files do not hold' if findings and replay else ''}"
    if replay and not findings:
        import random

        from emoloom.cli.progress import TerminalProgress
        from emoloom.screen.finished.verify import replay as decode_anew

        try:
            with TerminalProgress() as progress:
                done = decode_anew(
                    RunFolder(run),
                    replay,
                    random.Random(),
                    data_dir,
                    progress,
                    progress.say,
                    findings.append,
                    trust=bool(trust_remote_code),
                )
            replayed = f"{done} {'reply' if done == 1 else 'replies'} replayed"
        except EmoLoomError as error:
            stopped, replayed = error, _STOPPED
    for finding in findings:
        typer.echo(str(finding))
    verdict = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}" if findings else "nothing found"
    typer.echo(f"{run}: {checked.files} files, {checked.events} journal events, {replayed}: {verdict}")
    if stopped:
        raise stopped
    if findings:
        raise typer.Exit(DIFFERS)
