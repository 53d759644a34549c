"""The model registry: versions, aliases and records in MLflow, as native files with a digest.

`champion` and `previous` are MLflow aliases; an alias is resolved to a version once, and the version used from there.
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources import disk
from resources.errors import Damaged, Refused, Unavailable, of_a_store, of_postgres
from resources.models import mlflow_tables
from resources.models.mlflow_tables import quiet
from resources.models.version import ModelRecord, ModelVersion, digest
from resources.tables import object_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, PREVIOUS = "champion", "previous"
DIGEST, BUSINESS_DATE, IDENTITY = "nightcart.digest", "nightcart.business_date", "nightcart.identity"
MARK = "nightcart.mark"
TABLE = "nightcart.table."  # and the table's name: the tag with its version
NO_ANSWER = "Max retries exceeded"  # what MLflow's error says, among much else, of a server that is down, or mute


@dataclass(frozen=True, kw_only=True)
class ModelRegistry:
    """The registered model of one domain; its name is also that of its experiment.

    `tracking_uri` is MLflow's backend, a database URL or a server; `artifacts` is where files are kept, by default where the
    server says. `sealed` gives the digest of a version's files that is on record outside of MLflow, None where there is
    none: what is loaded is held against it, and a number that is on record there is never given to another model.
    """

    name: str
    tracking_uri: str = field(repr=False)  # it may hold a password
    artifacts: str | None = None
    sealed: Callable[[int], str | None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def _where(self) -> str:
        """The backend's address without what would let somebody in."""
        return re.sub(r"//[^@/]*@", "//", self.tracking_uri)

    @cached_property
    def _client(self) -> MlflowClient:
        with quiet():
            import mlflow

            if self.tracking_uri.startswith("sqlite:///"):
                Path(self.tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            with mlflow_tables.opening(self.tracking_uri):
                client = mlflow.MlflowClient(self.tracking_uri)
                experiment = client.get_experiment_by_name(self.name)
                if experiment is None:
                    client.create_experiment(self.name, artifact_location=self.artifacts)
                else:
                    mlflow_tables.follow(self.tracking_uri, self.artifacts, before=experiment.artifact_location)
            return client

    def register(self, folder: Path, record: ModelRecord, *, ask: Callable[[], None] = lambda: None) -> ModelVersion:
        """Put the model files of `folder` on record as a new version, or return the version with the same identity.

        The version appears last: a run that dies before leaves none, and one that may make none any more `ask` refuses then.
        """
        for known in (v for v in self.versions() if v.tags.get(IDENTITY) == record.identity):
            # One whose files are lost is registered again.
            with contextlib.suppress(Damaged), self.files(known):
                return known
        with self._talking(), quiet():
            import mlflow
            from mlflow.models import ModelSignature
            from mlflow.types import ColSpec, Schema

            mlflow.set_tracking_uri(self.tracking_uri)  # of the process: what logs a run or a model takes no other
            signature = ModelSignature(
                inputs=Schema([ColSpec("float", name) for name in record.inputs]), outputs=Schema([ColSpec("double")])
            )
            experiment = self._client.get_experiment_by_name(self.name)
            if experiment and experiment.lifecycle_stage == "deleted":
                raise Refused(
                    f"The experiment {self.name} was deleted in MLflow: nothing can be put on record in it.",
                    remedy="`nightcart reconcile` restores it.",
                )
            tags = {
                **record.tags,
                BUSINESS_DATE: record.business_date,
                IDENTITY: record.identity,
                DIGEST: digest(folder),
                **{f"{TABLE}{table}": str(version) for table, version in record.tables.items()},
            }
            with mlflow.start_run(
                experiment_id=experiment.experiment_id if experiment else None,
                run_name=f"challenger of {record.business_date}",
                tags=tags,
                description=record.description,
            ):
                mlflow.log_params(dict(record.parameters))
                mlflow.log_metrics(dict(record.metrics))
                for name, text in record.documents.items():
                    mlflow.log_text(text, name)
                logged = mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(Path(__file__).with_name("served_model.py")),
                    artifacts={"model": str(folder)},
                    signature=signature,
                    # Given, because MLflow would load the model in a new process to find them out: 20 s.
                    pip_requirements=["mlflow", "lightgbm", "pandas", "numpy"],
                )
            for filesystem, place in self._places(logged.run_id):
                if "file" in filesystem.protocol:
                    disk.folder_to_disk(Path(place))
            return self._numbered(logged.model_uri, ask, run_id=logged.run_id, tags=tags, model_id=logged.model_id)

    def _numbered(self, source: str, ask: Callable[[], None] = lambda: None, **of_version: Any) -> ModelVersion:
        """A new version, under a number that no other model ever had.

        A database that was brought back from an older backup gives out numbers again; those are passed over.
        """
        if not self._is_registered():
            self._client.create_registered_model(self.name, description="The nightly run's model.")
        while True:  # MLflow remembers the numbers of versions that were deleted
            ask()
            # Not mlflow.register_model, which prints what it does.
            made = self._client.create_model_version(self.name, source=source, **of_version)
            if self.sealed(int(made.version)) is None:
                return self.version(int(made.version))
            self._client.delete_model_version(self.name, made.version)

    def versions(self) -> list[ModelVersion]:
        """All versions, newest first."""
        if mlflow_tables.is_database(self.tracking_uri):
            return mlflow_tables.versions(self.tracking_uri, self.name)
        with self._talking():
            if not self._is_registered():
                return []
            found = self._client.search_model_versions(f"name = '{self.name}'", max_results=1_000)
            aliases = self._aliases()
            return sorted((self._described(v, aliases) for v in found), key=lambda v: -v.version)

    def version(self, version: int) -> ModelVersion:
        """One version; raises :class:`Refused` when there never was one, :class:`Damaged` when it is not there any more."""
        from mlflow.exceptions import MlflowException

        with self._talking():
            try:
                return self._described(self._client.get_model_version(self.name, str(version)), self._aliases())
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                if self.sealed(version) is None:
                    raise Refused(
                        f"There is no version {version} of {self.name}, and none is on record.",
                        remedy="`nightcart models` lists those that there are.",
                    ) from error
                raise Damaged(
                    f"Version {version} of {self.name} is not in the registry at {self._where}.",
                    remedy=f"`nightcart reconcile` registers a champion again from its files; {_another(version)}",
                ) from error

    def challenger_of(self, business_date: str) -> ModelVersion:
        """The newest version that was trained for a business day; raises :class:`Refused` when there is none."""
        for version in self.versions():
            if version.tags.get(BUSINESS_DATE) == business_date:
                return version
        raise Refused(
            f"No version of {self.name} was trained for {business_date}.",
            remedy=f"`dg launch --assets challenger --partition {business_date}`.",
        )

    def aliases(self) -> dict[str, int]:
        """The version that each alias points to."""
        if mlflow_tables.is_database(self.tracking_uri):
            return mlflow_tables.aliases(self.tracking_uri, self.name)
        with self._talking():
            return self._aliases() if self._is_registered() else {}

    def aliased(self, alias: str) -> int | None:
        """The version that an alias points to."""
        return self.aliases().get(alias)

    def point(self, alias: str, version: int | None) -> None:
        """Move an alias, or take it away; raises :class:`Refused` when the version is not there."""
        with self._talking():
            if version is None:
                self._client.delete_registered_model_alias(self.name, alias)
            else:
                self._client.set_registered_model_alias(self.name, alias, str(self.version(version).version))

    def put_right(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Let a version have the `tags` of ours that it was registered with, and its run and experiment not be deleted."""
        with self._talking(), quiet():
            self._experiment()
            for name, value in tags.items():
                if version.tags.get(name) != value:
                    self._client.set_model_version_tag(self.name, str(version.version), name, value)
            if version.is_thrown_away:
                self._client.restore_run(version.run_id)

    def register_again(self, *, source: str, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Make a version of files that the registry still keeps, when the version that they were is gone.

        Raises :class:`Refused` when the files, or the run that made them, are gone too.
        """
        from mlflow.exceptions import MlflowException

        with self._talking(), quiet():
            try:
                # MLflow itself would make a version of a run that is not there, or fail midway.
                self._client.get_run(run_id)
                return self._numbered(source, run_id=run_id, tags=dict(tags))
            except MlflowException as error:
                if error.get_http_status_code() >= 500:
                    raise
                raise Refused(
                    f"What {source} was cannot be registered again: {error.message}",
                    remedy="restore MLflow's database and artifacts from a backup, or `nightcart rollback --reason 'its files are lost'`.",
                ) from error

    @contextlib.contextmanager
    def files(self, version: ModelVersion) -> Iterator[Path]:
        """The model's files, in a folder for as long as the context lasts; :class:`Damaged` when they are gone, or a byte has changed."""
        with tempfile.TemporaryDirectory() as scratch:
            with self._talking(), quiet():
                import mlflow

                mlflow.set_tracking_uri(self.tracking_uri)  # where the version's own files are asked for
                try:
                    path = mlflow.artifacts.download_artifacts(  # pyright: ignore[reportPrivateImportUsage]
                        f"models:/{self.name}/{version.version}", dst_path=scratch, tracking_uri=self.tracking_uri
                    )
                    cards = list((Path(path) / "artifacts").rglob("model.json"))
                except (FileNotFoundError, mlflow.MlflowException) as error:
                    if not isinstance(error, FileNotFoundError) and error.get_http_status_code() >= 500:
                        raise
                    if (refused := of_a_store(error)) and not refused.is_worth_retrying:  # they may be there
                        raise refused from error
                    cards = []
            if not cards:
                raise Damaged(
                    f"The files of version {version.version} of {self.name} are gone from {self.artifacts or self._where}.",
                    remedy=f"bring them back from a backup; {_another(version.version)}",
                )
            folder = cards[0].parent
            # MLflow's own tag is changed as easily as the files.
            on_record = self.sealed(version.version) or version.tags.get(DIGEST, "none")
            if (found := digest(folder)) != on_record:
                raise Damaged(
                    f"The files of version {version.version} of {self.name} are not those that were registered "
                    f"(digest {found[:12]}, on record {on_record[:12]}).",
                    remedy=f"bring them back from a backup; {_another(version.version)}",
                )
            yield folder

    def document(self, version: ModelVersion, name: str) -> str | None:
        """A text that was put on record with a version; None when there is none of that name, :class:`Damaged` when it is no text."""
        with self._talking(), quiet():
            if name not in {artifact.path for artifact in self._client.list_artifacts(version.run_id)}:
                return None
            with tempfile.TemporaryDirectory() as scratch:
                content = Path(self._client.download_artifacts(version.run_id, name, scratch)).read_bytes()
        with contextlib.suppress(ValueError):
            if name.endswith(".json"):
                json.loads(content)
            return content.decode("utf-8")
        raise Damaged(
            f"{name} of version {version.version} of {self.name} is damaged.",
            remedy=f"bring it back from a backup; {_another(version.version)}",
        )

    def attach(self, version: ModelVersion, documents: Mapping[str, str]) -> None:
        """Put texts beside a version, by file name; one of the same name is replaced."""
        with self._talking(), quiet():
            for name, text in documents.items():
                self._client.log_text(version.run_id, text, name)

    def size(self, version: ModelVersion) -> int:
        """Bytes of a version's files and of its record."""
        found = (filesystem.find(path, detail=True) for filesystem, path in self._places(version.run_id))
        return sum(about["size"] for files in found for about in files.values())

    def discard(self, version: ModelVersion) -> None:
        """Remove a version for good, its entry last: half done, it is done again. No other one gets its number."""
        with self._talking(), quiet():
            for filesystem, path in self._places(version.run_id):
                if filesystem.exists(path):
                    filesystem.rm(path, recursive=True)
            for model in self._models(version.run_id):
                self._client.delete_logged_model(model)
            self._client.delete_run(version.run_id)
            self._client.delete_model_version(self.name, str(version.version))

    def _models(self, run_id: str) -> list[str]:
        outputs = self._client.get_run(run_id).outputs
        return [each.model_id for each in outputs.model_outputs] if outputs else []

    def _places(self, run_id: str) -> list[tuple[Any, str]]:
        """The filesystem and path of the files of a run's version, and of its record."""
        with self._talking(), quiet():
            models = (self._client.get_logged_model(model).artifact_location for model in self._models(run_id))
            places = [self._client.get_run(run_id).info.artifact_uri, *models]
        return [object_store.filesystem(place) for place in places if place]

    def has_run(self, run_id: str) -> bool:
        """Whether the record of a run is there: it is, even of a version that was deleted."""
        from mlflow.exceptions import MlflowException

        with self._talking():
            try:
                return self._client.get_run(run_id) is not None
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return False

    def mark(self) -> int:
        """The mark of the experiment, see `resources.parts`; 0 without one."""
        if mlflow_tables.is_database(self.tracking_uri):
            return int(mlflow_tables.experiment_tag(self.tracking_uri, self.name, MARK) or 0)
        with self._talking():
            experiment = self._client.get_experiment_by_name(self.name)
            return int(experiment.tags.get(MARK, 0)) if experiment else 0

    def set_mark(self, number: int) -> None:
        """Set the mark of the experiment."""
        with self._talking(), quiet():
            self._client.set_experiment_tag(self._experiment(), MARK, str(number))

    def _experiment(self) -> str:
        """The experiment's id; one that somebody deleted in MLflow's UI is restored, and all its runs with it."""
        experiment = self._client.get_experiment_by_name(self.name)
        if experiment and experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return experiment.experiment_id if experiment else ""

    def _is_registered(self) -> bool:
        return bool(self._client.search_registered_models(f"name = '{self.name}'"))

    def _aliases(self) -> dict[str, int]:
        aliases = self._client.get_registered_model(self.name).aliases
        return {alias: int(version) for alias, version in aliases.items()}

    def _described(self, found: Any, aliases: Mapping[str, int]) -> ModelVersion:
        run = self._client.get_run(found.run_id)
        return ModelVersion(
            version=int(found.version),
            run_id=found.run_id,
            source=found.source,
            tags=found.tags,
            parameters=run.data.params,
            metrics=run.data.metrics,
            aliases=[alias for alias, version in aliases.items() if version == int(found.version)],
            is_thrown_away=run.info.lifecycle_stage == "deleted",
        )

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        """A registry that does not answer is worth asking again."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import OperationalError

        try:
            yield
        except (OperationalError, ConnectionError) as error:
            raise of_postgres(error, variable=mlflow_tables.VARIABLE) or Unavailable(
                f"The model registry does not answer: {error}.", remedy="see that MLflow's database is up."
            ) from error
        except MlflowException as error:
            if error.get_http_status_code() < 500:
                raise
            if mlflow_tables.OTHER_TABLES in str(error):
                raise Refused(
                    f"The tables of {self._where} are of another MLflow than the one that is installed.",
                    remedy=mlflow_tables.UPGRADE,
                ) from error
            raise (
                of_postgres(error, variable=mlflow_tables.VARIABLE)
                or of_a_store(error)
                or Unavailable(
                    f"MLflow's server {self._where} does not answer."
                    if NO_ANSWER in str(error)
                    else f"The model registry failed: {error}.",
                    remedy="see that MLflow's server is up, and that MLFLOW_TRACKING_URI is where it is.",
                )
            ) from error


def _another(version: int) -> str:
    why = f"--reason 'version {version} is lost'"
    return f"where it is lost for good, `nightcart rollback {why}` serves the one before, `nightcart retrain {why}` makes another."
