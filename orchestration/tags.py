"""Tags of runs that are ours. What they mean is said where they are read."""

OURS = "nightcart/"
SLOT = f"{OURS}slot"  # dagster.yaml leaves a slot to alerting: it must not wait for a training of hours
RETAILER = f"{OURS}retailer"  # whom a run was asked for: a process that works for another refuses it
