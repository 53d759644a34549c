"""Being told: a notifier that keeps its messages."""

from __future__ import annotations

from resources.errors import Unavailable


class RecordingNotifier:
    """Stands for `resources.notifier.Notifier`; takes nothing while it `is_down`."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.is_down = False

    def tell(self, title: str, text: str) -> None:
        if self.is_down:
            raise Unavailable("Slack is down.", remedy="wait.")
        self.messages.append((title, text))

    def take(self) -> list[tuple[str, str]]:
        """What came since it was last asked."""
        taken, self.messages = self.messages, []
        return taken
