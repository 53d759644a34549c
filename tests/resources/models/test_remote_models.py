"""Models whose files are in an object store that refuses: they are not taken for lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resources.errors import NightcartError, Refused, Unavailable
from resources.models.registry import ModelRegistry
from tests.support.object_store import FAULTS


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("403 AccessDenied", Refused, "does not permit this"),
        ("403 SignatureDoesNotMatch", Refused, "does not know who asks"),
        ("503 SlowDown", Unavailable, "has too much to do"),
        ("404 NoSuchBucket", Refused, "has no such bucket"),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_files_that_cannot_be_asked_for_are_not_gone(
    registry: ModelRegistry, fault: str, kind: type[NightcartError], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # as MLflow asks
    place = f"s3://fault-{FAULTS.index(fault)}/models"
    remote = replace(registry, artifacts=place)
    client = remote._client
    client.create_registered_model(remote.name)
    experiment = client.get_experiment_by_name(remote.name)
    run = client.create_run(experiment.experiment_id if experiment else "")
    made = client.create_model_version(remote.name, source=f"{place}/1", run_id=run.info.run_id)
    with pytest.raises(NightcartError, match=says) as raised, remote.files(remote.version(int(made.version))):
        pass
    assert type(raised.value) is kind
