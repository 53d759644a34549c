"""Erasure of a person's data: find, remove, suppress, prove. Which data is personal is the domain's to say."""
