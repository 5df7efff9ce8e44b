"""The options that several verbs declare, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OneModel = Annotated[str | None, typer.Option("--model", metavar="SPEC", help="The model, without training.")]
TrainedRun = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Take a run's best fine-tuned candidate (or its --model).")
]
OneReadout = Annotated[
    str | None, typer.Option(metavar="NAME", help="free, constrained or scored; free, or the run's first, by default.")
]

Train = Annotated[list[str] | None, typer.Option("--train", metavar="CORPUS", help="Corpus to fine-tune on. Repeat.")]
TrainLimit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Training records in all.")]
Eval = typer.Option("--eval", metavar="[flip:]CORPUS[:SPLIT]", help="Corpus, or flip test of it, to judge on. Repeat.")
Evals = Annotated[list[str] | None, Eval]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Records judged in each corpus.")]
Readouts = Annotated[
    list[str] | None,
    typer.Option("--readout", metavar="NAME", help="free (default), constrained or scored. Repeat; the first ranks."),
]
Epochs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Passes over the training records.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Decides samples, resampling and, in a screening, order.")]
Dtype = Annotated[str | None, typer.Option(metavar="NAME", help="float32 (default) or bfloat16, for all models.")]
Lexicon = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="Lexicon for weak VAD: fetched, a file of word norms, or none.")
]
DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder that holds the corpora; $EMOLOOM_DATA by default.")
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The run's folder; runs/ and a name of the plan by default.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="YAML settings; flags win over it.")]
TrustRemoteCode = Annotated[
    bool | None, typer.Option("--trust-remote-code", help="Accept models that bring their own Python code.")
]
Budget = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="LIMIT", help="90m, 2h, 20000examples, 500000tokens or 8GB of memory. Repeat."),
]
PlanOnly = Annotated[bool, typer.Option("--plan-only", help="Price the plan, print it, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
