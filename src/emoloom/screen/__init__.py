"""Screens candidates under a budget, next to baselines that every candidate has to beat."""
