"""Ingestion: a business day's baskets, the catalogue and the households, as the retailer delivers them."""
