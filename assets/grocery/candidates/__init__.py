"""Candidate generation: the products that are worth ranking for each household."""
