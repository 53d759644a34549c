"""Nightcart on a cluster that one may break: deploy/ as it is, with a small shop, a Postgres and an object store of one's own.

The shop's files, the drill's hooks (and, with `--code`, a checkout in place of what is in the image) come from folders of the node.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent
NAMESPACE = os.environ.get("DRILL_NAMESPACE", "nightcart")  # several installations on a node, each with its folder
HOOKS = Path(__file__).resolve().parent / "cluster_hooks"


def kubectl(*arguments: str | Path, given: str | None = None, check: bool = True) -> str:
    """What a command of kubectl says, in the namespace of the drill."""
    command = ["kubectl", "--namespace", NAMESPACE, *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"kubectl {' '.join(map(str, arguments))[:200]}: {done.stderr}")
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An installation below `folder`, which the node's pods see as well."""

    folder: Path
    image: str
    postgres: str  # postgresql+psycopg://user:password@host:port, without a database
    s3: str  # endpoint
    bucket: str
    code: Path | None = None
    components: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, str]:
        """What is no secret."""
        return {
            "NIGHTCART_NAMESPACE": NAMESPACE,
            "NIGHTCART_TABLES": f"s3://{self.bucket}/tables",
            "NIGHTCART_RAW": f"s3://{self.bucket}/raw",
            "NIGHTCART_MLFLOW_ARTIFACTS": f"s3://{self.bucket}/models",
            "NIGHTCART_DEFAULT_STATUS": "stopped",
            "NIGHTCART_MEMORY": "800MB",
            "NIGHTCART_TRAINING_POD": json.dumps(
                {"cpu": "200m", "memory": "1800Mi", "node_selector": {"pool": "training"}}
            ),
            "NIGHTCART_SCORING_POD": json.dumps({"cpu": "100m", "memory": "1500Mi"}),
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.s3,
        }

    @property
    def secrets(self) -> dict[str, str]:
        """What a cluster keeps as a secret."""
        return {
            "NIGHTCART_OPERATIONS_URL": f"{self.postgres}/operations",
            "MLFLOW_TRACKING_URI": f"{self.postgres}/mlflow",
            "NIGHTCART_DAGSTER_URL": f"{self.postgres}/dagster",
            "NIGHTCART_UI_TOKEN": "a-token-of-the-drill-and-of-nothing-else",
            "NIGHTCART_ERASURE_KEY": "00" * 32,
            "AWS_ACCESS_KEY_ID": "drill",
            "AWS_SECRET_ACCESS_KEY": "drill-drill-drill",
        }

    @property
    def overlay(self) -> Path:
        """The folder that is applied."""
        return self.folder / "deploy" / "overlays" / "drill"

    def lay_out(self) -> None:
        """Write the overlay: the example's, with the image, the settings and the folders of this cluster."""
        shutil.rmtree(self.folder / "deploy", ignore_errors=True)
        shutil.copytree(PROJECT / "deploy", self.folder / "deploy")
        self.overlay.mkdir()
        shutil.copy(PROJECT / "deploy/overlays/example/namespace.yaml", self.overlay)
        shutil.copy(self.folder / "shop" / "corner_shop.toml", self.overlay / "retailer.toml")
        server = json.loads(kubectl("version", "-o", "json"))["serverVersion"]
        is_old = int(server["minor"].strip("+")) < 21
        places = {"feeds": ("/feeds", self.folder / "shop"), "drill": ("/drill", self.folder / "drill")}
        if self.code:
            places |= {
                f"code-{part}": (f"/app/{part}", self.code / part) for part in ("orchestration", "assets", "resources")
            }
        name, _, tag = self.image.rpartition(":")
        patch: list[dict[str, Any]] = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/resources/requests/cpu", "value": "50m"},
            *(
                {
                    "op": "add",
                    "path": "/spec/template/spec/volumes/-",
                    "value": {"name": each, "hostPath": {"path": str(there)}},
                }
                for each, (_, there) in places.items()
            ),
            *(
                {
                    "op": "add",
                    "path": "/spec/template/spec/containers/0/volumeMounts/-",
                    "value": {"name": each, "mountPath": here},
                }
                for each, (here, _) in places.items()
            ),
        ]
        written: dict[str, Any] = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "resources": ["namespace.yaml", "../../base"],
            "components": [
                f"../../components/{each}" for each in (*self.components, *(["before-1-21"] if is_old else []))
            ],
            "images": [{"name": "nightcart", "newName": name, "newTag": tag}],
            "replicas": [{"name": "nightcart-web", "count": 1}],
            "generatorOptions": {"disableNameSuffixHash": True},
            "configMapGenerator": [
                {"name": "nightcart-retailer", "files": ["retailer.toml"]},
                {"name": "nightcart-instance", "behavior": "replace", "files": ["dagster.yaml"]},
                {
                    "name": "nightcart-settings",
                    "behavior": "merge",
                    "literals": [f"{key}={value}" for key, value in self.settings.items()],
                },
            ],
            "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(patch)}],
        }
        (self.overlay / "kustomization.yaml").write_text(yaml.safe_dump(written))
        instance = yaml.safe_load((PROJECT / "deploy/base/dagster.yaml").read_text())
        run = instance["run_launcher"]["config"]["run_k8s_config"]
        run["container_config"]["resources"] = {
            "requests": {"cpu": "100m", "memory": "500Mi"},
            "limits": {"memory": "1500Mi"},
        }
        run["container_config"]["env"] = [{"name": "PYTHONPATH", "value": "/drill"}]
        run["pod_spec_config"]["volumes"] += [
            {"name": each, "host_path": {"path": str(there)}} for each, (_, there) in places.items()
        ]
        run["container_config"]["volume_mounts"] += [
            {"name": each, "mount_path": here} for each, (here, _) in places.items()
        ]
        (self.overlay / "dagster.yaml").write_text(yaml.safe_dump(instance))

    def install(self) -> None:
        """Apply it, and wait until everything answers."""
        (self.folder / "drill").mkdir(exist_ok=True)
        os.chmod(self.folder / "drill", 0o777)
        shutil.copy(HOOKS / "sitecustomize.py", self.folder / "drill")
        self.lay_out()
        space = kubectl("create", "namespace", NAMESPACE, "--dry-run=client", "-o", "yaml")
        kubectl("apply", "-f", "-", given=space)
        secret = kubectl(
            "create",
            "secret",
            "generic",
            "nightcart-secrets",
            "--dry-run=client",
            "-o",
            "yaml",
            *(f"--from-literal={key}={value}" for key, value in self.secrets.items()),
        )
        kubectl("apply", "-f", "-", given=secret)
        kubectl("apply", "-k", self.overlay)
        kubectl("label", "nodes", "--all", "--overwrite", "pool=training")
        kubectl("rollout", "restart", "deployment")
        for name in ("code", "daemon", "web"):
            kubectl("rollout", "status", f"deployment/nightcart-{name}", "--timeout=600s")


def with_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Where the cluster finds what it needs."""
    parser.add_argument(
        "--folder", type=Path, required=True, help="of the node, for the shop, the overlay and the hooks"
    )
    parser.add_argument("--image", required=True)
    parser.add_argument(
        "--postgres",
        required=True,
        help="postgresql+psycopg://USER:PASSWORD@HOST:PORT; databases dagster, mlflow, operations",
    )
    parser.add_argument("--s3", required=True, help="endpoint of the object store")
    parser.add_argument("--bucket", default="shop")
    parser.add_argument("--component", action="append", default=[], help="of deploy/components, added to the overlay")
    parser.add_argument("--code", type=Path, help="a checkout that pods take their code from, instead of the image")
    return parser


def of(options: argparse.Namespace) -> Cluster:
    """The cluster that the options name."""
    return Cluster(
        folder=options.folder,
        image=options.image,
        postgres=options.postgres,
        s3=options.s3,
        bucket=options.bucket,
        code=options.code,
        components=tuple(options.component),
    )


if __name__ == "__main__":
    of(with_options(argparse.ArgumentParser(description=__doc__)).parse_args()).install()
