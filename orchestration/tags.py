"""Tags of runs that are ours. What they mean is said where they are read."""

OURS = "nightcart/"
SLOT = f"{OURS}slot"  # dagster.yaml leaves a slot to alerting: it must not wait for a training of hours
NIGHT = f"{OURS}night"  # dagster.yaml lets the nights of a domain run one after the other, whoever asks
RETAILER = f"{OURS}retailer"  # whom a run was asked for: a process that works for another refuses it
