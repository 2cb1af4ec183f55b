# SPDX-License-Identifier: Apache-2.0
"""tflite-runtime as an oracle: the fourth executor.

TensorFlow and tflite-runtime export the same symbols and crash in one process, so the runtime has a
process of its own, which is started at the first question and kept: starting takes longer than most
answers.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import threading
from typing import IO, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tinykit.errors import TinykitError
from tinykit.network.ops import Int8Array

AnyArray = NDArray[Any]

Kernels = Literal["BUILTIN_REF", "BUILTIN"]
"""TFLite's reference kernels, which round as a Network does, and its optimised ones."""


def run_tflite(content: bytes, x: Int8Array, *, kernels: Kernels = "BUILTIN_REF") -> Int8Array:
    """Run a .tflite file under tflite-runtime.

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


class _Oracle:
    """A process that has tflite-runtime and answers until this one ends."""

    def __init__(self) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 -- as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tinykit.network.tflite_oracle"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )

    def ask(self, request: bytes) -> bytes | None:
        """Its answer; None if it has ended without one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            _put(self._process.stdin, request)
            return _take(self._process.stdout)
        except BrokenPipeError:
            return None

    def last_words(self) -> str:
        """What it wrote on stderr."""
        self._process.wait()
        self._complaints.seek(0)
        return self._complaints.read().decode(errors="replace")


def _put(stream: IO[bytes], content: bytes) -> None:
    stream.write(len(content).to_bytes(8, "little") + content)
    stream.flush()


def _take(stream: IO[bytes]) -> bytes | None:
    """What one `_put` wrote; None at the end of the stream."""
    head = stream.read(8)
    content = stream.read(int.from_bytes(head, "little"))
    return content if len(head) == 8 else None


_oracles: dict[int, _Oracle] = {}
_asking = threading.Lock()


def _ask(content: bytes, x: AnyArray, kernels: Kernels, *, one_by_one: bool) -> AnyArray:
    request = io.BytesIO()
    np.savez(
        request,
        model=np.frombuffer(content, np.uint8),
        x=x,
        kernels=kernels,
        one_by_one=one_by_one,
    )
    with _asking:
        # A forked process must not share its parent's pipes.
        if os.getpid() not in _oracles:
            _oracles[os.getpid()] = _Oracle()
        oracle = _oracles[os.getpid()]
        answer = oracle.ask(request.getvalue())
        if answer is None:
            del _oracles[os.getpid()]
            raise _refused(oracle.last_words())
    with np.load(io.BytesIO(answer), allow_pickle=False) as read:
        if "refused" in read:
            raise _refused(str(read["refused"]))
        return cast(AnyArray, read["scores"])


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


def _reply(request: bytes) -> bytes:
    """Scores, or why there are none."""
    answer = io.BytesIO()
    with np.load(io.BytesIO(request), allow_pickle=False) as read:
        model, way = read["model"].tobytes(), bool(read["one_by_one"])
        try:
            np.savez(answer, scores=_answer(model, read["x"], str(read["kernels"]), way))
        except (ValueError, RuntimeError) as error:
            np.savez(answer, refused=str(error))
    return answer.getvalue()


def _serve() -> None:
    """Answer requests from stdin on stdout."""
    # What the runtime prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while (request := _take(sys.stdin.buffer)) is not None:
        _put(answers, _reply(request))


if __name__ == "__main__":
    _serve()
