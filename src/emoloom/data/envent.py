"""crowd-enVENT: events written for thirteen emotions and rated by the writer (Troiano, Oberländer and Klinger 2023).

Ratings run from 1 (not at all) to 5 (extremely). The nearest items for the atoms, as the writer rated the event:

- goal attainment: ``goal_support``;
- controllability: ``self_control``;
- certainty: ``predict_event``, which asks, as ISEAR does, whether the event could be expected;
- fairness: 1 less the mean of ``standards`` and ``social_norms``, which rise with violation. No item asks for fairness as such.
"""

from __future__ import annotations

from emoloom.data.questionnaire import Appraised, Draft, Questionnaire, scaled, table

_ITEMS = (
    "suddenness", "familiarity", "predict_event", "pleasantness", "unpleasantness", "goal_relevance",
    "chance_responsblt", "self_responsblt", "other_responsblt", "predict_conseq", "goal_support", "urgency",
    "self_control", "other_control", "chance_control", "accept_conseq", "standards", "social_norms", "attention",
    "not_consider", "effort",
)  # fmt: skip


def read(text: str) -> Draft:
    """The events in the form that hides the emotion word (``hidden_emo_text``)."""
    draft = Draft()
    for row in table(text, ("emotion", "hidden_emo_text", *_ITEMS), CORPUS.file):
        event = " ".join(row["hidden_emo_text"].split())
        if not event:
            draft.dropped["empty_text"] += 1
            continue
        try:
            ratings = {item: scaled(row[item], 1, 5) for item in _ITEMS}
        except ValueError:
            draft.dropped["bad_rating"] += 1
            continue
        violation = (ratings["standards"] + ratings["social_norms"]) / 2
        atoms = (ratings["goal_support"], ratings["self_control"], ratings["predict_event"], 1 - violation)
        draft.rows.append(Appraised(event, None, row["emotion"].lower(), atoms, ratings))
    return draft


CORPUS = Questionnaire(
    name="crowd-envent",
    folder="appraisal/crowd-envent",
    file="crowd-enVent_generation.csv",
    licence="none stated, released for research; cite Troiano, Oberländer & Klinger (2023)",
    read=read,
)
