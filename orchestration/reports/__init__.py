"""What is so, as values: the command line draws them, and pages and an API read the same ones.

A report asks the stores and says what it found; how that looks is not its business. None of them imports Dagster, Ibis,
pandas or MLflow, each of which takes longer to import than there is to read.
"""
