"""Dagster's web server behind a guard: who may look and launch from a browser."""
