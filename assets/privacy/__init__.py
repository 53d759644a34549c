"""The right to be forgotten: find, remove, suppress, prove."""
