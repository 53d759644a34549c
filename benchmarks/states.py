"""The state that a night starts from: made once through Dagster, copied for every run.

Every run finds its state at the same place, because MLflow's database names the folder of its files in full.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import DG, run

FIRST_DAY = dt.date(2017, 1, 1)
NIGHT = dt.date(2017, 11, 27)
WEEK_BEFORE = NIGHT - dt.timedelta(days=7)


def night_of(day: dt.date) -> list[str]:
    """The command of one night."""
    return [*DG, "launch", "--job", "nightly", "--partition", str(day)]


def ingestion_of(since: dt.date, until: dt.date) -> list[str]:
    """The command that takes in a range of days in one run."""
    return [
        *DG,
        "launch",
        "--assets",
        "transactions,products,offers,households",
        "--partition-range",
        f"{since}...{until}",
    ]


@dataclass(frozen=True)
class PreparedState:
    """A prepared state below `folder`: kept in `pristine`, run on in `state`."""

    folder: Path

    @property
    def state(self) -> Path:
        """What NIGHTCART_HOME is for every run."""
        return self.folder / "state"

    @property
    def pristine(self) -> Path:
        """The copy that nothing runs on."""
        return self.folder / "pristine"

    def make(self, *, is_first_night: bool) -> None:
        """Take in the demo up to the eve of :data:`NIGHT`, and run the night a week before unless `is_first_night`."""
        shutil.rmtree(self.state, ignore_errors=True)
        until = NIGHT - dt.timedelta(days=1)
        print(f"Taking in {FIRST_DAY} … {until}", file=sys.stderr)
        run(ingestion_of(FIRST_DAY, until), state=self.state)
        if not is_first_night:
            print(f"Running the night of {WEEK_BEFORE}", file=sys.stderr)
            run(night_of(WEEK_BEFORE), state=self.state)
        self.state.rename(self.pristine)

    def restore(self) -> None:
        """Let the next run start from the prepared state."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.pristine, self.state, symlinks=True)


def with_keep(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the option that saves the minutes of preparing."""
    parser.add_argument("--keep", type=Path, help="folder in which the prepared state is kept, and found the next time")
    return parser


@contextlib.contextmanager
def prepared_state(keep: Path | None, *, is_first_night: bool = False) -> Iterator[PreparedState]:
    """An ordinary night's state, or the first night's.

    After the night a week before, all label weeks of :data:`NIGHT` but one are there, a champion defends itself, and
    lists wait to be compared: an ordinary night. The first night makes everything itself.
    """
    with contextlib.ExitStack() as stack:
        folder = keep.resolve() if keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prepared = PreparedState(folder / ("first" if is_first_night else "ordinary"))
        if not prepared.pristine.exists():
            prepared.make(is_first_night=is_first_night)
        yield prepared
