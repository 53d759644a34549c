"""Which lists are served."""
