# SPDX-License-Identifier: Apache-2.0
"""The same trials as tasks of an existing Ray cluster.

The machines of the cluster need tinykit and the data sets, and their TINYKIT_DATA in the
environment that Ray was started in. The study stays with the process that asks.
"""

from __future__ import annotations

import socket
from typing import Any

from tinykit.errors import TinykitError
from tinykit.search.trial import Job, Outcome, run_job
from tinykit.search.workers import failure, prepare_worker

_PATIENCE = 10.0  # seconds
_INSTALL = "Install it with `pip install 'tinykit[cluster]'`."


def _task(job: Job) -> Outcome:
    """A trial in a worker of the cluster."""
    prepare_worker()
    return run_job(job)


def _nobody(address: str, why: str) -> TinykitError:
    return TinykitError(
        f"no Ray cluster answers there: {why}.",
        where=f"--cluster {address}",
        remedy="Start one with `ray start --head`, and give the address that it prints.",
    )


def _reach(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself would wait for a quarter of an hour.

    Raises:
        TinykitError: it is no address, or nobody listens.
    """
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise _nobody(address, "it is not host:port")
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _nobody(address, str(error)) from error


class Cluster:
    """Tasks of a Ray cluster, each on one of its CPUs."""

    def __init__(self, address: str, count: int | None = None) -> None:
        """Connect.

        Args:
            address: host:port of the head, ray://host:port of its client server, or "auto".
            count: tasks at a time; as many as the cluster has CPUs by default.

        Raises:
            TinykitError: Ray is not installed, or no cluster is there.
        """
        try:
            import ray
        except ImportError as error:
            raise TinykitError("Ray is not installed.", remedy=_INSTALL) from error
        self.ray = ray
        _reach(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # Ray raises of many kinds, ConnectionError and ValueError too.
            raise _nobody(address, str(error).splitlines()[0]) from error
        cpus = int(ray.cluster_resources().get("CPU", 1))
        self.slots = max(cpus if count is None else min(count, cpus), 1)
        # Ray itself starts a task again whose worker or machine died.
        self.remote: Any = ray.remote(num_cpus=1, max_retries=2)(_task)
        self.running: dict[Any, Job] = {}

    def submit(self, job: Job) -> None:
        """Queue a job in the cluster."""
        self.running[self.remote.remote(job)] = job

    def finished(self) -> tuple[Job, Outcome | TinykitError]:
        """Wait for any job; its outcome, or why there is none."""
        (done,), _ = self.ray.wait(list(self.running), num_returns=1)
        job = self.running.pop(done)
        try:
            return job, self.ray.get(done)
        except self.ray.exceptions.RayTaskError as error:
            return job, failure(job, error.cause if error.cause is not None else error)
        except self.ray.exceptions.RayError as error:
            return job, failure(job, error)

    def close(self) -> None:
        """Leave the cluster; what is running there is cancelled."""
        for reference in self.running:
            self.ray.cancel(reference, force=True)
        self.ray.shutdown()
