"""Corpora as contract records: published ones, any JSONL file, and the starter corpus. Start at :mod:`emoloom.data.load`."""
