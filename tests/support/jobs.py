"""Jobs in the place of ours, whose runs go well or do not."""

from __future__ import annotations

import dagster as dg

from orchestration.runs.nights import ENDS


def job_of(name: str, work: dg.OpDefinition) -> dg.JobDefinition:
    """A job that does `work`, and then makes what a run must have made to be a night."""
    ends = [dg.op(name=end, ins={"begun": dg.In(dg.Nothing)})(lambda: None) for end in sorted(ENDS)]

    @dg.job(name=name)
    def made() -> None:
        begun = work()
        for end in ends:
            end(begun=begun)

    return made
