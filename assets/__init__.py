"""Data plane: what exists, and the pure functions that make it; one folder a stage, the same rooms in each.

`assets.py` loads, calls one pure function, stores and reports; `checks.py` states what should hold; every other module
is pure: it imports neither dagster nor mlflow nor a store, and is named for what it holds.
"""
