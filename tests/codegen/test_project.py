# SPDX-License-Identifier: Apache-2.0
"""Whole projects: the same bytes, formatted, built, run, and as large as was said."""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import subprocess
import zlib
from dataclasses import replace

import numpy as np
import pytest
from framed import with_frontend

from tinykit.boards import load_board
from tinykit.boards.platformio import build
from tinykit.codegen import METADATA, check_fit, estimate_size, generate, make_vectors
from tinykit.emulators import select
from tinykit.errors import DoesNotFitError, TinykitError
from tinykit.frontends import Imu
from tinykit.network import Network
from tinykit.network.packing import fingerprint
from tinykit.network.sample import (
    Builder,
    ds_cnn,
    har_cnn,
    random_imported_network,
    random_input,
)
from tinykit.resources import resource_dir


def _vectors(network: Network, count: int = 2, clips: int = 0):
    rng = np.random.default_rng(11)
    features = random_input(rng, network.tensor(network.input), count)
    sound = None
    if clips:
        shape = (clips, 128, 6) if network.frontend["kind"] == "imu" else (clips, 16000)
        sound = rng.integers(-9000, 9000, shape).astype(np.int16)
    return make_vectors(network, features, sound)


def _tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".pio" not in path.parts
    }


@pytest.fixture(scope="module")
def har() -> Network:
    return with_frontend(har_cnn("w4a4", widths=(8, 8)), Imu())


def test_same_inputs_give_the_same_bytes(tmp_path, har):
    board = load_board("mps2_an386")
    for name in ("a", "b"):
        generate(har, board, tmp_path / name, vectors=_vectors(har, clips=1))
    assert _tree(tmp_path / "a") == _tree(tmp_path / "b")


def test_metadata(tmp_path, har):
    project = generate(har, load_board("host"), tmp_path / "p", vectors=_vectors(har, clips=1))
    meta = json.loads((tmp_path / "p" / METADATA).read_text())
    assert meta == project.metadata
    assert meta["network"]["digest"] == har.digest
    assert meta["network"]["macs"] == har.macs()
    assert meta["arena"]["bytes"] == project.plan.size
    vectors = project.vectors
    last = meta["layers"][-1]
    assert last["output"]["tensor"] == har.output
    crc = fingerprint(vectors.scores[0], har.tensor(har.output).bits)
    assert meta["embedded"]["layer_crcs"][-1] == f"{crc:08x}"
    assert meta["embedded"]["vectors"][1]["scores"] == vectors.scores[1].tolist()
    assert len(meta["embedded"]["clips"]) == 1


def test_the_project_needs_no_tinykit(tmp_path, har):
    generate(har, load_board("virt_rv32imc"), tmp_path / "p")
    tree = _tree(tmp_path / "p")
    assert {"platformio.ini", "README.md", "ld/link.ld", "src/main.c", "src/frontend.c"} <= set(
        tree
    )
    own = str(resource_dir("firmware")).encode()
    for name, content in tree.items():
        assert own not in content, name
        assert b"import tinykit" not in content, name
        for include in re.findall(rb'#include "([^"]+)"', content):
            text = include.decode()
            beside = posixpath.join(posixpath.dirname(name), text)
            places = {f"include/{text}", f"src/{text}", f"src/port/{text}", beside}
            assert places & set(tree), f"{name} includes {text}"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ds_cnn(8, "w4a4", blocks=1),
        lambda: hostile(),
        lambda: hostile_import(),
        lambda: random_imported_network(np.random.default_rng(3), depth=14),
    ],
)
def test_generated_c_is_formatted(tmp_path, make):
    formatter = shutil.which("clang-format")
    assert formatter, "the development environment has clang-format"
    network = make()
    generate(network, load_board("mps2_an386"), tmp_path / "p", vectors=_vectors(network))
    style = resource_dir("firmware").parent / ".clang-format"
    for name in ("model.c", "model.h", "main.c", "vectors.c"):
        command = [formatter, f"--style=file:{style}", "--dry-run", "-Werror"]
        subprocess.run([*command, str(tmp_path / "p" / "src" / name)], check=True)


def hostile() -> Network:
    """Narrow input and output, and names that try to leave comments and strings."""
    rng = np.random.default_rng(4)
    builder = Builder(rng, (5, 4, 3), bits=4, name='*/ int x; /* "\\')
    builder.conv(6, (3, 3), weight_bits=2, bits=4).depthwise((2, 2), weight_bits=4, bits=8)
    builder.mean()
    network = builder.dense(3, weight_bits=8, bits=2).build(['say "yes"', "line\nbreak\\", "??/"])
    long = "a very long name " * 9
    ops = [replace(op, name=f"{op.name} */ \\ {long} \n#error") for op in network.ops]
    return replace(network, ops=tuple(ops))


def hostile_import() -> Network:
    """Constants, several inputs and calls, and such names for tensors too."""
    builder = Builder(np.random.default_rng(4), (3, 2, 4))
    builder.multiply(builder.constant((1, 1, 4))).add(builder.constant((3, 2, 4)))
    builder.add(builder.constant((1,))).concat(builder.keep(), 2).resize(3, 4).softmax()
    network = builder.reduce([0, 1]).dense(3).build()
    odd = "*/ \\ a very long name of a tensor \n#error"
    renamed = {t.name: f"{t.name} {odd}" for t in network.tensors}
    return replace(
        network,
        tensors=tuple(replace(t, name=renamed[t.name]) for t in network.tensors),
        ops=tuple(
            replace(
                op,
                name=f"{op.name} {odd}",
                inputs=tuple(renamed[name] for name in op.inputs),
                output=renamed[op.output],
            )
            for op in network.ops
        ),
        input=renamed[network.input],
        output=renamed[network.output],
    )


def _run_on_host(project_dir):
    board = load_board("host")
    result = build(project_dir, board)
    with select("host", board).start(result.elf, board) as session:
        return session.self_test()


def test_hostile_names_and_narrow_ends_run(tmp_path):
    network = hostile()
    generate(network, load_board("host"), tmp_path / "p", vectors=_vectors(network))
    records = _run_on_host(tmp_path / "p")
    assert records[-1]["verdict"] == "PASS"
    assert [r["t"] for r in records].count("layer") == 4


def test_commands(tmp_path, har):
    """Boot, self-test with a recording, and every command of the protocol."""
    board = load_board("host")
    project = generate(har, board, tmp_path / "p", vectors=_vectors(har, clips=2))
    result = build(tmp_path / "p", board)
    vectors = project.vectors
    with select("host", board).start(result.elf, board) as session:
        records = session.self_test()
        assert records[0]["network"] == har.digest[:16]
        assert records[-1] == records[-1] | {"pass": 4, "fail": 0, "verdict": "PASS"}
        layers = [r["crc"] for r in records if r["t"] == "layer"]
        assert layers == project.metadata["embedded"]["layer_crcs"]
        answer = session.send_features(vectors.features[1])
        assert answer["scores"] == vectors.scores[1].tolist()
        assert answer["class"] == int(vectors.scores[1].argmax())
        assert "pass" not in answer
        heard = session.send_clip(vectors.clips[1], 16)
        assert heard["scores"] == vectors.clip_scores[1].tolist()
        assert heard["features"] == f"{vectors.clip_feature_crcs[1]:08x}"
        assert session.again()[-1]["verdict"] == "PASS"
        session.quit()


def test_a_wrong_expectation_fails(tmp_path, har):
    vectors = _vectors(har)
    wrong = replace(vectors, scores=vectors.scores ^ np.int8(1))
    generate(har, load_board("host"), tmp_path / "p", vectors=wrong)
    assert _run_on_host(tmp_path / "p")[-1]["verdict"] == "FAIL"


def test_what_does_not_fit_is_refused_before_the_build(tmp_path):
    network = ds_cnn(64, "w8a8")
    board = load_board("stm32vldiscovery")
    sizes = estimate_size(network, board)
    short = sizes.ram - board.ram_bytes
    with pytest.raises(DoesNotFitError, match=f"{short} bytes of RAM are missing") as caught:
        check_fit(network, board)
    assert caught.value.exit_code == 3
    with pytest.raises(DoesNotFitError):
        generate(network, board, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_clips_without_room_are_left_out(tmp_path):
    network = with_frontend(har_cnn("w2a2", widths=(4,)), Imu())
    board = load_board("stm32vldiscovery")
    project = generate(network, board, tmp_path / "p", vectors=_vectors(network, clips=100))
    kept = len(project.vectors.clips)
    assert 0 < kept < 100
    assert project.metadata["embedded"]["left_out"]["clips"] == 100 - kept
    assert project.sizes.flash <= board.flash_bytes


def test_a_folder_of_something_else_is_kept(tmp_path, har):
    target = tmp_path / "mine"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(TinykitError, match="not a generated project"):
        generate(har, load_board("host"), target)
    assert (target / "thesis.txt").exists()


def test_a_project_is_replaced_whole(tmp_path, har):
    generate(har, load_board("host"), tmp_path / "p")
    (tmp_path / "p" / "src" / "left_over.c").write_text("int x;")
    generate(har, load_board("host"), tmp_path / "p")
    assert not (tmp_path / "p" / "src" / "left_over.c").exists()


def test_a_folder_that_cannot_be_written(tmp_path, har):
    (tmp_path / "file").write_text("")
    with pytest.raises(TinykitError, match="cannot write"):
        generate(har, load_board("host"), tmp_path / "file" / "p")


def test_a_firmware_that_carries_nothing_builds(tmp_path):
    board = load_board("mps2_an386")
    project = generate(ds_cnn(8, blocks=1), board, tmp_path / "p")
    assert build(project.directory, board).flash == project.sizes.flash


def test_vectors_remember_their_crcs(har):
    vectors = _vectors(har, clips=1)
    frontend = Imu()
    features = frontend.integer(vectors.clips)
    assert vectors.clip_feature_crcs == (zlib.crc32(features[0].tobytes()),)
    with pytest.raises(TinykitError, match="no front end"):
        make_vectors(har_cnn(widths=(2,)), clips=vectors.clips)
