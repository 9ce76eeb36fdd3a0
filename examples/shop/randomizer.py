"""Deletes one pod of the shop now and then, from within the cluster; see kubernetes/randomizer.yaml."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import requests

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SELECTOR = "product=storefront"
PAUSE_SECONDS = (60, 90)


def delete_one(api: str, namespace: str, token: str, certificate: str | bool) -> str | None:
    """Delete one running pod of the shop; gives its name, None if there is none."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        session.verify = certificate
        pods = f"{api}/api/v1/namespaces/{namespace}/pods"
        answer = session.get(pods, params={"labelSelector": SELECTOR}, timeout=10)
        answer.raise_for_status()
        running = [
            pod["metadata"]["name"]
            for pod in answer.json()["items"]
            if pod["status"]["phase"] == "Running"
        ]
        if not running:
            return None
        name = random.choice(running)
        session.delete(f"{pods}/{name}", timeout=10).raise_for_status()
        return name


def main() -> None:
    host, port = (os.environ[f"KUBERNETES_SERVICE_{part}"] for part in ("HOST", "PORT"))
    namespace = (ACCOUNT / "namespace").read_text()
    while True:
        time.sleep(random.uniform(*PAUSE_SECONDS))
        try:
            # The token is renewed by the kubelet, so it is read each time.
            token = (ACCOUNT / "token").read_text()
            name = delete_one(f"https://{host}:{port}", namespace, token, str(ACCOUNT / "ca.crt"))
            print(f"deleted {name}" if name else "there is nothing to delete", flush=True)
        except (OSError, KeyError, ValueError) as error:
            print(f"the API doesn't answer: {error}", flush=True)


if __name__ == "__main__":
    main()
