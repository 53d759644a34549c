"""Features: what a household does, as it was known at a business day's close; one definition for training and scoring."""
