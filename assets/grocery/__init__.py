"""The first domain: nightly personalisation for grocery retailers."""
