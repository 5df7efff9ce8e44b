"""Screening: candidates in, ranked leaderboard out; what looks at a run afterwards; models used one by one.

In the order of the work:

- settled before anything is written: ``corpora``, ``arms``, ``ground``, ``cells``, ``plan``; what it will cost: ``pricing/``;
- carried out: ``run`` opens the folder, ``runner`` says which cell comes next and records it, with ``race`` and a budget;
  ``worker`` does a cell's work with ``cell``, which alone joins training, decoding and scores;
- what a cell does: ``baselines``, ``probe`` on ``features``, and asking a model, ``readouts/``; what it takes: ``cost``,
  ``environment``;
- what comes of it: ``leaderboard``, ``ablation``;
- a run taken up again: ``finished/``; one model to judge or to predict with: ``single``; how good the lexicon and the appraisal
  verifier are themselves: ``teachers/``.
"""
