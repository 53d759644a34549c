"""The commits of tables on this machine: whether they are on the disk, and what a power cut left of them."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

from resources import disk
from resources.errors import Damaged
from resources.text import listed

LOG = "_delta_log"


def to_disk(table: Path, *, since: int, until: int) -> None:
    """Have the commits after version `since` up to `until` on the disk, and before them the files that they added.

    Delta's writer leaves both to the system, which takes its time: a power cut would take back what is on record already.
    """
    commits = [table / LOG / f"{version:020}.json" for version in range(since + 1, until + 1)]
    actions = (json.loads(line) for commit in commits for line in commit.read_text(encoding="utf-8").splitlines())
    added = [table / unquote(action["add"]["path"]) for action in actions if "add" in action]
    folders = dict.fromkeys((*(file.parent for file in added), table))  # a new day's folder is an entry of the table's
    disk.to_disk((*added, *folders, *commits, table / LOG))


def cut_off(table: Path) -> list[Path]:
    """The files of the newest commits that are not whole, the newest first."""
    found = []
    for commit in sorted((table / LOG).glob("*.json"), reverse=True):
        if _is_whole(commit):
            break
        found.append(commit)
    return found


def were_cut(tables: Path) -> Damaged:
    """What is told of all tables below a folder at once: what befell one befell others with it."""
    found = {log.parent.name: cut_off(log.parent) for log in sorted(tables.glob(f"*/{LOG}"))}
    names = [name for name, commits in found.items() if commits]
    commits = [commit for each in found.values() for commit in each]
    if len(commits) == 1:
        says, back = f"The last commit of {names[0]}, {commits[0]}, was cut off.", "the table back to the commit"
    else:
        says = f"{len(commits)} commits, the last of {listed(names)}, were cut off."
        back = "the tables back to the commits"
    return Damaged(
        says,
        remedy=f"`rm {' '.join(map(str, commits))}` takes {back} before. What is lacking then, `nightcart audit verify --tables` names with the command that makes it again.",
    )


def _is_whole(commit: Path) -> bool:
    # Delta takes a commit without a line for one that changed nothing.
    try:
        return bool([json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()])
    except ValueError:
        return False
