# SPDX-License-Identifier: Apache-2.0
"""A run folder: what training left, and what later stages add to it.

runs/<name>/recipe.toml    all that was asked, seed included
            network.tkn    the integer-only Network
            metrics.json   curves and accuracies
            samples.npz    up to a hundred held-out recordings, so that later stages
                           need neither the data set nor TensorFlow
            firmware/<board>/   the generated PlatformIO project
            boards/<board>.json what the emulated board measured
            verify.json    agreement of the executors
            report.html, report.json
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.files import write_atomic
from tinykit.network import Network

if TYPE_CHECKING:
    from tinykit.data import Dataset
    from tinykit.frontends import Frontend

SAMPLE_COUNT = 100


@dataclass(frozen=True)
class Samples:
    """Held-out recordings.

    Attributes:
        x: int16, (n, samples) for speech or (n, window, channels) for motion.
        y: int64 (n,), index into the Network's labels.
        source: the data set they were drawn from.
        synthetic: whether that set is synthetic.
    """

    x: NDArray[np.int16]
    y: NDArray[np.int64]
    source: str
    synthetic: bool

    def first(self, count: int) -> Samples:
        """The first `count` of them (they are in a shuffled, fixed order)."""
        return Samples(self.x[:count], self.y[:count], self.source, self.synthetic)


@dataclass(frozen=True)
class Run:
    """A run folder and its Network."""

    directory: Path
    network: Network

    @property
    def frontend(self) -> Frontend:
        """The Network's front end.

        Raises:
            TinykitError: the Network takes features, not recordings.
        """
        from tinykit.frontends import from_config

        if self.network.frontend is None:
            raise TinykitError(
                "the network has no front end, so it cannot take recordings.",
                where=self.directory,
                remedy="Train it with tinykit, or feed it features.",
            )
        return from_config(self.network.frontend)

    def samples(self) -> Samples:
        """The run's held-out recordings; drawn from its data set the first time."""
        path = self.directory / "samples.npz"
        if not path.exists():
            save_samples(self.directory, self._dataset())
        return _load_samples(path)

    def _dataset(self) -> Dataset:
        from tinykit.recipe import Recipe

        return Recipe.load(self.directory / "recipe.toml").load_dataset()


def open_run(path: Path) -> Run:
    """Open a run folder, or the folder of a network file.

    Raises:
        TinykitError: there is no network, or it is broken.
    """
    file = path if path.is_file() else path / "network.tkn"
    if not file.exists():
        raise TinykitError(
            "no trained network here.",
            where=path,
            remedy="Name a run folder that `tinykit train` finished, or a .tkn file.",
        )
    return Run(file.parent, Network.load(file))


def open_model(path: Path) -> Run:
    """Open whatever holds a network: a run folder, a .tkn file, or a .tflite file of others.

    A .tflite file is imported in memory; `tinykit import` makes a run folder of it.

    Raises:
        TinykitError: there is no network, it is broken, or it cannot be imported.
    """
    if path.suffix.lower() == ".tflite":
        from tinykit.importer.run import import_network

        return Run(path.parent, import_network(path).network)
    return open_run(path)


def save_samples(directory: Path, dataset: Dataset, count: int = SAMPLE_COUNT) -> None:
    """Keep up to `count` test recordings, classes in turn, in a fixed shuffled order."""
    test = dataset.part("test")
    order = np.random.default_rng(0).permutation(len(test.y))
    turn = np.zeros(len(order), dtype=np.int64)
    for label in range(len(test.labels)):
        members = np.flatnonzero(test.y[order] == label)
        turn[members] = np.arange(len(members))
    chosen = order[np.argsort(turn, kind="stable")][:count]
    meta = {"source": dataset.name, "synthetic": dataset.synthetic}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        x=test.x[chosen].astype(np.int16),
        y=test.y[chosen].astype(np.int64),
        meta=np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8),
    )
    write_atomic(directory / "samples.npz", buffer.getvalue())


def _load_samples(path: Path) -> Samples:
    try:
        with np.load(path, allow_pickle=False) as archive:
            meta: dict[str, Any] = json.loads(archive["meta"].tobytes())
            return Samples(archive["x"], archive["y"], meta["source"], bool(meta["synthetic"]))
    except (OSError, ValueError, KeyError) as error:
        raise TinykitError(
            "the kept recordings cannot be read.",
            where=path,
            remedy="Delete the file; it is drawn from the data set again.",
        ) from error
