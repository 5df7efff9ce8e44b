"""ISEAR: situations that students remembered for seven emotions (Scherer and Wallbott 1994, CC BY-NC-SA 3.0).

The only corpus with all four atoms. They are the writer's own answers; code 0, "not applicable", is None:

- goal attainment, from ``PLAN``: 1 the event helped (1.0), 2 did not matter (0.5), 3 hindered (0.0);
- controllability, from ``COPING``: 1 powerless (0.0) to 5 could influence it (1.0), in steps of a quarter;
- certainty, from ``EXPC``: 1 not expected at all (0.0), 2 a little (0.5), 3 very much (1.0);
- fairness, from ``FAIR`` reversed: 1 not unfair at all (1.0), 2 a little (0.5), 3 very much (0.0).
"""

from __future__ import annotations

import re

from emoloom.data.questionnaire import Appraised, Draft, Questionnaire, scaled, table

_HIGHEST = {
    "WHEN": 4, "LONG": 4, "INTS": 4, "EXPC": 3, "PLEA": 3, "PLAN": 3, "FAIR": 3, "CAUS": 4, "COPING": 5, "MORL": 3,
    "SELF": 3, "RELA": 3,
}  # fmt: skip
"""The questions that are read, each with its highest code."""

_WRAP = re.compile(r" *á\r?\n")
"""How a line break inside a text was exported."""


def read(text: str) -> Draft:
    """The answered situations; ``[...]`` and ``NO RESPONSE.`` stand where there was no answer."""
    draft = Draft()
    for row in table(text, ("ID", "Field1", "SIT", *_HIGHEST), CORPUS.file):
        situation = " ".join(_WRAP.sub(" ", row["SIT"]).split())
        if not situation or situation.startswith("[") or situation == "NO RESPONSE.":
            draft.dropped["no_answer"] += 1
            continue
        try:
            draft.rows.append(_appraised(situation, row))
        except ValueError:
            draft.dropped["bad_code"] += 1
    return draft


def _appraised(situation: str, row: dict[str, str]) -> Appraised:
    codes = {name: int(row[name]) for name in _HIGHEST}
    level = {name: scaled(str(code), 1, _HIGHEST[name]) if code else None for name, code in codes.items()}
    return Appraised(
        text=situation,
        group=row["ID"],
        emotion=row["Field1"].lower(),
        atoms=(_reversed(level["PLAN"]), level["COPING"], level["EXPC"], _reversed(level["FAIR"])),
        answers={f"{name}={code}": 1.0 for name, code in codes.items()},
    )


def _reversed(level: float | None) -> float | None:
    return None if level is None else 1 - level


CORPUS = Questionnaire(
    name="isear",
    folder="appraisal/isear",
    file="isear.csv",
    licence="CC BY-NC-SA 3.0; cite Scherer & Wallbott (1994)",
    read=read,
)
