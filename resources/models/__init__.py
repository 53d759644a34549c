"""The model registry (MLflow)."""
