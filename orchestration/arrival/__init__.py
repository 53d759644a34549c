"""What has landed, and what each day needs because of it."""
