"""enISEAR with appraisals: events for seven emotions, annotated by three readers (Hofmann et al. 2020, Troiano et al. 2019).

The majority's yes (1) or no (0). The nearest questions for the atoms:

- goal attainment: ``Pleasant``, the only one that tells a good outcome from a bad one;
- controllability: ``Control``, whether the writer could influence the event;
- certainty: ``Certainty``, whether the writer knew what was going on, which is not ISEAR's "expected";
- fairness: none.
"""

from __future__ import annotations

import re

from emoloom.data.questionnaire import Appraised, Draft, Questionnaire, scaled, table

_QUESTIONS = ("Attention", "Certainty", "Effort", "Pleasant", "Responsibility", "Control", "Circumstance")

_FRAME = re.compile(r"I (?:felt|feel) \.\.\. (?:when|because|that) ", re.IGNORECASE)
"""What nearly every sentence begins with: the task's own words and the mask over the emotion."""


def read(text: str) -> Draft:
    """The events without the frame they were written into."""
    draft = Draft()
    for row in table(text, ("Prior_Emotion", "Sentence", *_QUESTIONS), CORPUS.file, delimiter="\t", quoted=False):
        event = _FRAME.sub("", " ".join(row["Sentence"].split()), count=1)
        if not event:
            draft.dropped["empty_text"] += 1
            continue
        try:
            said = {question: scaled(row[question], 0, 1) for question in _QUESTIONS}
        except ValueError:
            draft.dropped["bad_answer"] += 1
            continue
        atoms = (said["Pleasant"], said["Control"], said["Certainty"], None)
        draft.rows.append(Appraised(event, None, row["Prior_Emotion"].lower(), atoms, said))
    return draft


CORPUS = Questionnaire(
    name="enisear",
    folder="appraisal/enisear-appraisal",
    file="enISEAR_appraisal_majority.tsv",
    licence="GPL-3.0 on the release; cite Hofmann et al. (2020) and Troiano et al. (2019)",
    read=read,
)
