"""Model families, each one class behind the small interface of `interface.py`."""
