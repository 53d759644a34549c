"""What `nightcart init` understood: what to look at first, what became of the lines, and every setting with its reason."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from orchestration.cli.drawing import console
from resources.text import plural, without_secrets

if TYPE_CHECKING:
    from assets.grocery.onboarding.proposal import RetailerProposal

LABEL = 16  # characters before the text of a note
LOUD = {"left out": "bold red", "set aside": "bold red", "merged": "bold yellow", "guessed": "bold yellow"}


def draw(proposal: RetailerProposal, written: str, commands: Sequence[str]) -> None:
    """Notes first, the gravest on top; then the lines, the settings, and the commands that come next."""
    width = max(console.width, 60)
    _line(Text(f"\n{proposal.settings.title}: look at these first", "bold"))
    for note in proposal.notes:
        style = LOUD.get(note.kind, "dim")
        _hanging(Text(f"! {note.kind}", style), note.says, width, style="" if note.kind in LOUD else "dim")
        if note.remedy:
            _hanging(Text(), f"→ {note.remedy}", width, style="cyan" if note.kind in LOUD else "dim")
    _line(Text("\nEvery line", "bold"))
    _hanging(Text("  delivered"), _delivered(proposal), width)
    _line(Text("\nWhat was understood", "bold"))
    section = None
    longest = max(len(each.setting.rpartition(".")[2]) for each in proposal.proposed)
    for each in proposal.proposed:
        above, _, key = each.setting.rpartition(".")
        if above != section and above:
            _line(Text(f"[{above}]", "bold"))
        section = above
        value = "—" if each.value is None else shown(each.value)
        head = Text(f"  {key:<{longest}}  ").append(value, "dim" if each.value is None else "")
        why = ("guess: " * each.is_guess) + each.why
        style = "yellow" if each.is_guess else "dim"
        if len(head) + 2 + len(why) <= width:
            _line(head.append(f"  {why}" * bool(why), style))
        else:
            _line(head)
            for part in _wrapped(why, width - longest - 6):
                _line(Text(" " * (longest + 6) + part, style))
    rules = ", ".join(f"{rule} {n:,}" for rule, n in proposal.quarantined.items())
    share = sum(proposal.quarantined.values()) / max(proposal.lines, 1)
    aside = f"{share:.2%} quarantined ({rules})" if rules else "none quarantined"
    _line(Text())
    _hanging(
        Text("✓", "green"),
        f"{proposal.typical_day} reads through it: {plural(proposal.lines, 'line')}, {aside}.",
        width,
        2,
    )
    _hanging(Text("✓", "green"), f"Written: {written}. Look through it, then:", width, 2)
    _line(Text())
    for command in commands:
        _line(Text(f"  {command}", "cyan"))


def shown(value: Any) -> str:
    """A setting's value for people, the first of a long list, without the secrets of URLs."""
    if isinstance(value, list | tuple):
        first = ", ".join(shown(item) for item in value[:4])
        return first + (f" and {len(value) - 4} more" if len(value) > 4 else "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,g}" if isinstance(value, float) else without_secrets(str(value))


def _delivered(proposal: RetailerProposal) -> str:
    of = proposal.delivered
    aside = sum(of.set_aside.values())
    rules = f" ({', '.join(f'{rule} {n:,}' for rule, n in of.set_aside.items())})" if aside else ""
    return (
        f"{plural(of.files, 'file')}, {plural(of.lines, 'line')} = {of.taken:,} taken in + {aside:,} set aside{rules} + "
        f"{of.left_out:,} left out"
    )


def _hanging(label: Text, text: str, width: int, indent: int = LABEL, style: str = "") -> None:
    """A text beside its label, wrapped at words alone."""
    first, *rest = _wrapped(text, width - indent) or [""]
    label.pad_right(max(indent - len(label), 1))
    _line(label.append(first, style))
    for part in rest:
        _line(Text(" " * indent + part, style))


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _line(text: Text) -> None:
    text.rstrip()
    console.print(text, soft_wrap=True)
