"""The policy that is asked what is allowed (Rego)."""
