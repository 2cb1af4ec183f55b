# SPDX-License-Identifier: Apache-2.0
"""The same trials on a Ray cluster, whose head is a process of this test on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinykit.errors import TinykitError
from tinykit.search.cluster import Cluster
from tinykit.search.har import Settings, load_front, search

ray = pytest.importorskip("ray", reason="Ray is not installed (extra tinykit[cluster])")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A head with two CPUs; it and its children end with the test."""
    where = f"127.0.0.1:{free_port()}"
    start = "from ray.scripts.scripts import main; main()"
    options = ["--head", "--block", "--num-cpus=2", "--include-dashboard=false"]
    options += ["--node-ip-address=127.0.0.1", f"--port={where.split(':')[1]}"]
    options += ["--disable-usage-stats", f"--object-store-memory={100 * 2**20}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    head = subprocess.Popen(
        [sys.executable, "-c", start, "start", *options],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            assert head.poll() is None, "the head ended"
            try:
                socket.create_connection(("127.0.0.1", int(where.split(":")[1])), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield where
    finally:
        # Asked to end, it would wait half a minute for its children.
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()


def test_a_search_runs_on_the_cluster(address: str, tmp_path: Path) -> None:
    cluster = Cluster(address)
    try:
        assert cluster.slots == 2
        settings = Settings("synthetic_gait", "nrf52840dk", steps=10)
        front = search(settings, tmp_path, cluster, trials=2)
    finally:
        cluster.close()
    assert front
    assert {row["trial"] for row in load_front(tmp_path)} <= {0, 1}


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "nowhere", "a:b"])
def test_no_cluster_is_a_clear_error(address: str) -> None:
    with pytest.raises(TinykitError, match="ray start --head"):
        Cluster(address.format(free_port()))
