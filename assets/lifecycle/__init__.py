"""The model lifecycle, of any domain: evaluate, promote, serve, watch, train again. Imports no domain."""
