"""Execution plane: adapters to everything outside — feeds, tables, models, decisions, configuration.

Nothing in here knows what an asset is. What belongs here: how to reach a thing and what can go wrong on the way.
What does not: what the thing means (`assets/`) and when it is made (`orchestration/`).
"""
