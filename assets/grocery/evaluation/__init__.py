"""Evaluation: published methods to be measured against, on the same history and the same truth."""
