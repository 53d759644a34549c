"""What work costs, and when it costs too much."""

from __future__ import annotations

from resources.config.base import BaseConfig, setting
from resources.metering import Used

HOUR, GIB = 3600, 2**10  # seconds; MiB


class CostsConfig(BaseConfig):
    """The tariff, and when a night has cost too much. The prices are an example, about those of a rented machine: put yours in."""

    currency: str = setting("USD", "ISO 4217, of the prices below.", pattern=r"^[A-Z]{3}$")
    cpu_hour: float = setting(0.04, "Price of an hour of one CPU at work.", ge=0)
    gib_hour: float = setting(0.005, "Price of a GiB of memory for an hour.", ge=0)
    gib_read: float = setting(0.0, "Price of a GiB read from disk.", ge=0)
    gib_written: float = setting(0.01, "Price of a GiB written to disk.", ge=0)
    spike: float = setting(
        2.0, "So many times the median of the nights before are a spike, which the check `cost_is_usual` tells.", gt=1
    )
    spike_nights: int = setting(7, "How many nights before a night is compared with; three are the fewest.", ge=3)
    spike_cpu_seconds: float = setting(
        60.0,
        "A spike is at least so many CPU seconds above the median: a small shop's nights vary by more than half.",
        ge=0,
    )

    def price(self, used: Used) -> float:
        """What it costs."""
        return (
            used.cpu_seconds / HOUR * self.cpu_hour
            + used.gib_seconds / HOUR * self.gib_hour
            + used.read_mib / GIB * self.gib_read
            + used.written_mib / GIB * self.gib_written
        )
