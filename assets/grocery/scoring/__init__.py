"""Scoring: the lists that households see tomorrow."""
