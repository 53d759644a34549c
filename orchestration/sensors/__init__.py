"""Sensors, one module a cause; each is named `<action>_on_<cause>`."""
