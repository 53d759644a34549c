"""The state that a night starts from: made once through Dagster, copied for every run.

Every run finds its state at the same place, because MLflow's database names the folder of its files in full.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import DG, run

FIRST_DAY = dt.date(2017, 1, 1)
NIGHT = dt.date(2017, 11, 27)
WEEK = dt.timedelta(days=7)


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

    def prepare(self, *, is_first_night: bool) -> None:
        """Take in the demo up to the day before :data:`NIGHT`, and run the night a week before it unless `is_first_night`.

        After that night all label weeks of NIGHT but one are there, a champion defends itself, and lists wait to be
        compared: an ordinary night. A state that is there already is kept.
        """
        if self.pristine.exists():
            print(f"Using the state in {self.pristine}", file=sys.stderr)
            return
        shutil.rmtree(self.state, ignore_errors=True)
        until = NIGHT - dt.timedelta(days=1)
        print(f"Taking in {FIRST_DAY} … {until}", file=sys.stderr)
        run([DG, "launch", "--job", "ingestion", "--partition-range", f"{FIRST_DAY}...{until}"], state=self.state)
        if not is_first_night:
            print(f"Running the night of {NIGHT - WEEK}", file=sys.stderr)
            run([DG, "launch", "--job", "nightly", "--partition", str(NIGHT - WEEK)], state=self.state)
        self.state.rename(self.pristine)

    def restore(self) -> None:
        """Let the next run start from the prepared state."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.pristine, self.state)
