"""Typed configuration: a file of config/, with environment variables on top."""
