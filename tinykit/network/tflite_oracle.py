# SPDX-License-Identifier: Apache-2.0
"""tflite-runtime as an oracle: the fourth executor."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import cast

import numpy as np

from tinykit.errors import TinykitError
from tinykit.network.ops import Int8Array


def run_tflite(content: bytes, x: Int8Array, *, reference: bool = True) -> Int8Array:
    """Run a .tflite file under tflite-runtime.

    TensorFlow and tflite-runtime export the same symbols and crash in one process, so a process
    that has loaded TensorFlow asks another.

    Args:
        content: of the file.
        x: int8 (n, *input shape).
        reference: use the reference kernels, which round as a Network does.

    Returns:
        int8 (n, classes).

    Raises:
        TinykitError: the runtime refuses the file.
    """
    if "tensorflow" not in sys.modules:
        return _invoke(content, x, reference)
    request = io.BytesIO()
    np.savez(request, model=np.frombuffer(content, np.uint8), x=x, reference=reference)
    done = subprocess.run(
        [sys.executable, "-m", "tinykit.network.tflite_oracle"],
        input=request.getvalue(),
        capture_output=True,
    )
    if done.returncode != 0:
        raise TinykitError(
            f"tflite-runtime refuses the network: {done.stderr.decode(errors='replace')[-400:]}",
            remedy="Check the installation with `tinykit doctor`.",
        )
    return cast(Int8Array, np.load(io.BytesIO(done.stdout), allow_pickle=False))


def _invoke(content: bytes, x: Int8Array, reference: bool) -> Int8Array:
    from tflite_runtime.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF if reference else OpResolverType.BUILTIN
    runtime = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    source, result = runtime.get_input_details()[0], runtime.get_output_details()[0]
    runtime.resize_tensor_input(source["index"], x.shape)
    runtime.allocate_tensors()
    runtime.set_tensor(source["index"], x)
    runtime.invoke()
    return cast(Int8Array, runtime.get_tensor(result["index"]))


def _serve() -> None:
    """Answer one request from stdin on stdout."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as request:
        scores = _invoke(request["model"].tobytes(), request["x"], bool(request["reference"]))
    answer = io.BytesIO()
    np.save(answer, scores)
    sys.stdout.buffer.write(answer.getvalue())


if __name__ == "__main__":
    _serve()
