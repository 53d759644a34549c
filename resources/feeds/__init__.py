"""The files that a retailer delivers: where they are, how they are read, announced and redacted."""
