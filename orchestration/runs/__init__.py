"""Every question about runs: nights, attempts, outcomes, locks."""
