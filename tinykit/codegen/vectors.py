# SPDX-License-Identifier: Apache-2.0
"""What a firmware tests itself with: inputs, and the reference interpreter's answers."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinykit.codegen.datum import Datum
from tinykit.codegen.moves import needs_no_code
from tinykit.codegen.render import table_rows
from tinykit.errors import TinykitError
from tinykit.frontends import Frontend, from_config
from tinykit.network import Network, interpret, interpret_all
from tinykit.network.packing import fingerprint

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Vectors:
    """Inputs and expected outputs.

    Attributes:
        features: int8 (k, *input shape).
        scores: int8 (k, classes), what `features` must give.
        layer_crcs: CRC-32 of the packed output of each operator that executes code, by name, for
            vector 0; empty if k is 0.
        clips: int16 (n, samples) or (n, samples, channels); n may be 0.
        clip_feature_crcs: CRC-32 of the features of each clip.
        clip_scores: int8 (n, classes).
        clip_names: where each clip comes from, for people; empty or n of them.
    """

    features: Int8Array
    scores: Int8Array
    layer_crcs: Mapping[str, int]
    clips: Int16Array
    clip_feature_crcs: tuple[int, ...]
    clip_scores: Int8Array
    clip_names: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of flash that the vectors take."""
        crcs = 4 * len(self.clip_feature_crcs)
        arrays = (self.features, self.scores, self.clips, self.clip_scores)
        return crcs + sum(-(-a.nbytes // 4) * 4 for a in arrays)

    def first(self, vectors: int, clips: int) -> Vectors:
        """Only so many of each."""
        return replace(
            self,
            features=self.features[:vectors],
            scores=self.scores[:vectors],
            layer_crcs=self.layer_crcs if vectors else {},
            clips=self.clips[:clips],
            clip_feature_crcs=self.clip_feature_crcs[:clips],
            clip_scores=self.clip_scores[:clips],
            clip_names=self.clip_names[:clips],
        )


def make_vectors(
    network: Network,
    features: Int8Array | None = None,
    clips: Int16Array | None = None,
    *,
    clip_names: tuple[str, ...] = (),
) -> Vectors:
    """Run the interpreter on `features` and `clips`.

    Args:
        features: int8 (k, *input shape); none by default.
        clips: int16 (n, samples[, channels]), for networks with a front end; none by default.
        clip_names: where the clips come from.

    Raises:
        TinykitError: the arrays do not fit the Network, or it has no front end for `clips`.
    """
    source = network.tensor(network.input)
    if features is None:
        features = np.zeros((0, *source.shape), np.int8)
    if clips is None or len(clips) == 0:
        clips = np.zeros((0, 0), np.int16)
    heard = _listen(network, clips) if len(clips) else np.zeros((0, *source.shape), np.int8)
    return Vectors(
        features=features,
        scores=interpret(network, features),
        layer_crcs=_layer_crcs(network, features),
        clips=clips,
        clip_feature_crcs=tuple(zlib.crc32(one.tobytes()) for one in heard),
        clip_scores=interpret(network, heard),
        clip_names=clip_names,
    )


def blank_vectors(network: Network, vectors: int, clips: int) -> Vectors:
    """Vectors of zeros, for what depends on their sizes only.

    Args:
        network: the Network.
        vectors: how many.
        clips: how many; 0 without a front end.
    """
    source, result = network.tensor(network.input), network.tensor(network.output)
    recording: tuple[int, ...] = ()
    if clips:
        frontend = _frontend_of(network)
        channels = frontend.c_constants()["channels"]
        recording = (frontend.input_length, *([channels] if channels > 1 else []))
    return Vectors(
        features=np.zeros((vectors, *source.shape), np.int8),
        scores=np.zeros((vectors, math.prod(result.shape)), np.int8),
        layer_crcs={},
        clips=np.zeros((clips, *recording) if clips else (0, 0), np.int16),
        clip_feature_crcs=(0,) * clips,
        clip_scores=np.zeros((clips, math.prod(result.shape)), np.int8),
    )


def _listen(network: Network, clips: Int16Array) -> Int8Array:
    return _frontend_of(network).integer(clips)


def _frontend_of(network: Network) -> Frontend:
    if network.frontend is None:
        raise TinykitError(
            "the network has no front end, so it cannot take recordings.",
            where=f"network {network.name}",
            remedy="Give features, or train it with a recipe that names a front end.",
        )
    return from_config(network.frontend)


def _layer_crcs(network: Network, features: Int8Array) -> dict[str, int]:
    if len(features) == 0:
        return {}
    values = interpret_all(network, features[:1])
    crcs = {}
    for op in network.ops:
        if not needs_no_code(network, op):
            crcs[op.name] = fingerprint(values[op.output][0], network.tensor(op.output).bits)
    return crcs


def _tables(vectors: Vectors) -> Iterator[tuple[str, str, NDArray[Any], str]]:
    """Name, C type, values and comment of the tables of vectors.c."""
    if len(vectors.features):
        yield "vector_features", "int8_t", vectors.features, "Inputs of the model."
        yield "vector_scores", "int8_t", vectors.scores, "What they must give."
    if len(vectors.clips):
        crcs = np.array(vectors.clip_feature_crcs, np.uint32)
        yield "clip_samples", "int16_t", vectors.clips, "Recordings."
        yield "clip_features_crc", "uint32_t", crcs, "CRC-32 of the features of each."
        yield "clip_scores", "int8_t", vectors.clip_scores, "What they must give."


def vectors_data(vectors: Vectors) -> list[Datum]:
    """What vectors.c defines."""
    data = [Datum(name, c_type, values.size) for name, c_type, values, _ in _tables(vectors)]
    return [*data, Datum("tk_self_test", "tk_vectors", None)]


def vectors_context(vectors: Vectors) -> dict[str, object]:
    """What the template vectors.c needs."""
    tables = [
        {
            "name": name,
            "type": c_type,
            "count": values.size,
            "rows": table_rows(
                f"0x{v:08x}" if c_type == "uint32_t" else str(v)
                for v in values.reshape(-1).tolist()
            ),
            "comment": comment,
        }
        for name, c_type, values, comment in _tables(vectors)
    ]
    values = math.prod(vectors.clips.shape[1:]) if len(vectors.clips) else 0
    return {
        "vectors": {"count": len(vectors.features)},
        "clips": {"count": len(vectors.clips), "values": values},
        "tables": tables,
    }
