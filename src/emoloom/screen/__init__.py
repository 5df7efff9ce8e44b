"""Screening: candidates in, ranked leaderboard out; what looks at a run afterwards; models used one by one.

In the order of the work:

- settled before anything is written: ``corpora``, ``arms``, ``ground``, ``cells``, ``plan``; what it will cost: ``rates``,
  ``price``, ``schedule``;
- carried out: ``run`` opens the folder, ``runner`` says which cell comes next and records it (``race``, ``budget``, ``memory``),
  ``worker`` does a cell's work with ``cell``, which alone joins training, decoding and scores;
- what a cell does: ``baselines``, ``probe`` and ``features``; ``readout`` with ``suggest`` (drafts), ``refit``, ``tuning`` and
  ``scoring`` (the ``scored`` readout); what it takes: ``cost``, ``environment``;
- what comes of it: ``leaderboard``, ``ablation``;
- a finished run: ``reopen``, ``verify``, ``drift``; one model without a run: ``single``; the teachers' own scores:
  ``lexicon_score``, ``appraisal``, ``appraisal_card``.
"""
