"""Sensors, one module a cause. A sensor is named `<action>_on_<cause>`; it reads, launches or tells, and decides nothing."""
