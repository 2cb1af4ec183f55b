# SPDX-License-Identifier: Apache-2.0
"""tflite-runtime as an oracle: the fourth executor."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.network.ops import Int8Array

AnyArray = NDArray[Any]

Kernels = Literal["BUILTIN_REF", "BUILTIN"]
"""TFLite's reference kernels, which round as a Network does, and its optimised ones."""


def run_tflite(content: bytes, x: Int8Array, *, kernels: Kernels = "BUILTIN_REF") -> Int8Array:
    """Run a .tflite file under tflite-runtime.

    TensorFlow and tflite-runtime export the same symbols and crash in one process, so a process
    that has loaded TensorFlow asks another.

    Args:
        content: of the file.
        x: int8 (n, *input shape).
        kernels: which of TFLite's.

    Returns:
        int8 (n, classes).

    Raises:
        TinykitError: the runtime refuses the file.
    """
    return cast(Int8Array, _ask(content, x, kernels, one_by_one=False))


def run_foreign(content: bytes, x: AnyArray, *, kernels: Kernels = "BUILTIN_REF") -> AnyArray:
    """Run a .tflite file that tinykit did not write, one sample at a time, as its author meant it.

    Its batch is not resized, for foreign files may hold their batch of one in constants.

    Args:
        content: of the file, of one input and one output.
        x: (n, ...), of the input's type; each sample has as many values as the input.
        kernels: as `run_tflite`.

    Returns:
        (n, values), of the output's type.

    Raises:
        TinykitError: the runtime refuses the file.
    """
    return _ask(content, x, kernels, one_by_one=True)


def _ask(content: bytes, x: AnyArray, kernels: Kernels, *, one_by_one: bool) -> AnyArray:
    if "tensorflow" not in sys.modules:
        try:
            return _answer(content, x, kernels, one_by_one)
        except (ValueError, RuntimeError) as error:
            raise _refused(str(error)) from error
    request = io.BytesIO()
    np.savez(
        request,
        model=np.frombuffer(content, np.uint8),
        x=x,
        kernels=kernels,
        one_by_one=one_by_one,
    )
    done = subprocess.run(
        [sys.executable, "-m", "tinykit.network.tflite_oracle"],
        input=request.getvalue(),
        capture_output=True,
    )
    if done.returncode != 0:
        raise _refused(done.stderr.decode(errors="replace"))
    return cast(AnyArray, np.load(io.BytesIO(done.stdout), allow_pickle=False))


def _refused(message: str) -> TinykitError:
    return TinykitError(
        f"tflite-runtime refuses the network: {message[-400:]}",
        remedy="Check the installation with `tinykit doctor`.",
    )


def _answer(content: bytes, x: AnyArray, kernels: str, one_by_one: bool) -> AnyArray:
    from tflite_runtime.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType[kernels]
    runtime = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    source, result = runtime.get_input_details()[0], runtime.get_output_details()[0]
    if not one_by_one:
        runtime.resize_tensor_input(source["index"], x.shape)
    runtime.allocate_tensors()
    batches = [sample.reshape(source["shape"]) for sample in x] if one_by_one else [x]
    answers = []
    for batch in batches:
        # What layers keep between inferences starts anew for each.
        runtime.reset_all_variables()
        runtime.set_tensor(source["index"], batch)
        runtime.invoke()
        answer = runtime.get_tensor(result["index"])
        answers.append(answer.reshape(1, -1) if one_by_one else answer)
    return cast(AnyArray, np.concatenate(answers))


def _serve() -> None:
    """Answer one request from stdin on stdout."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as request:
        scores = _answer(
            request["model"].tobytes(),
            request["x"],
            str(request["kernels"]),
            bool(request["one_by_one"]),
        )
    answer = io.BytesIO()
    np.save(answer, scores)
    sys.stdout.buffer.write(answer.getvalue())


if __name__ == "__main__":
    _serve()
