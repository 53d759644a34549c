"""Data plane: what exists, and the pure functions that make it; one folder a stage, the same rooms in each.

`assets.py` loads, calls, stores and reports; `checks.py` states what should hold; the other modules are named for what
they hold. Which of them are pure (no Dagster, MLflow or store) says a contract of import-linter in pyproject.toml.
"""
