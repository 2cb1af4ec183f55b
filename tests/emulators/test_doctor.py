# SPDX-License-Identifier: Apache-2.0
"""What is missing is named with the command that installs it."""

from __future__ import annotations

import pytest

from tinykit.emulators.doctor import examine


def test_everything_the_tests_need_is_found() -> None:
    missing = [check.name for check in examine() if check.required and not check.found]
    assert missing == []


def test_versions_are_told() -> None:
    found = {check.name: check for check in examine()}
    assert found["platformio"].version == "6.2.0"
    assert found["gcc"].version
    assert found["QEMU counter"].found


def test_on_a_bare_machine_each_gap_has_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    checks = {check.name: check for check in examine()}
    for name in ("gcc", "arm-none-eabi-gcc", "qemu-system-arm", "renode", "C libraries"):
        assert not checks[name].found
        assert checks[name].install
        assert checks[name].as_dict()["version"] is None
