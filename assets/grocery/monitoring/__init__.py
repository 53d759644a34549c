"""Monitoring: what became of what was recommended."""
