# SPDX-License-Identifier: Apache-2.0
"""Average power of two ways to listen, by the share of time in which there is sound.

Digital: microphone, converter, features and an int8 network on the controller. Analog: microphone,
filter bank and comparators, whose bits the controller reads for a binary network. Estimates: sums
of what documents say of parts, no measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinykit.energy.parts import OpAmp, Parts
from tinykit.errors import TinykitError
from tinykit.frontends.analog import Analog

#: Hops of an MFCC front end in a second, each a wake-up.
_DIGITAL_HOPS = 50.0
#: A stage's gain-bandwidth over Q f0; its centre then falls by a tenth, which a design can allow
#: for.
_MARGIN = 10.0
_HOURS_A_DAY = 24.0
#: What is the same whatever acquires the sound.
_NOT_ACQUISITION = frozenset({"network", "sleep", "waking up", "other work"})


@dataclass(frozen=True)
class Setup:
    """What is compared.

    Attributes:
        front: the analog front end.
        joules_per_instruction: of the controller.
        watts_running: of the controller, while it wakes up.
        inferences: a second, while there is sound.
        integrated: filters on a chip of their own instead of amplifiers one can buy.
        converter: an analog microphone and an ADC instead of a digital microphone.
        gated: while it is quiet, the digital way measures the level alone, and the analog way,
            whose comparators are silent then, sleeps. Otherwise both work all the time.
    """

    front: Analog
    joules_per_instruction: float
    watts_running: float
    inferences: float = 1.0
    integrated: bool = False
    converter: bool = False
    gated: bool = True


def powers(parts: Parts, setup: Setup, share: float) -> dict[str, dict[str, float]]:
    """Watts from the battery by "digital" and "analog", and within by what takes them.

    Args:
        parts: the figures.
        setup: what is compared.
        share: of time with sound, 0 to 1.

    Raises:
        TinykitError: the share is none, or no amplifier is fast enough.
    """
    if not 0.0 <= share <= 1.0:
        raise TinykitError(
            f"the share of time with sound is {share:g}.", remedy="Give one from 0 to 1."
        )
    busy = share if setup.gated else 1.0
    return {"digital": _digital(parts, setup, busy), "analog": _analog(parts, setup, busy)}


def _drawn(parts: Parts, watts: float, voltage: float) -> float:
    """From the battery: a supply below its voltage is made by the regulator."""
    return watts / parts["regulator.efficiency"] if voltage < parts["battery.voltage"] else watts


def _part(parts: Parts, name: str) -> float:
    voltage = parts[f"{name}.voltage"]
    return _drawn(parts, parts[f"{name}.current"] * voltage, voltage)


def _controller(
    parts: Parts, setup: Setup, instructions: float, wake_ups: float
) -> dict[str, float]:
    return {
        "sleep": parts["mcu.sleep_current"] * parts["battery.voltage"],
        "waking up": wake_ups * parts["mcu.wake_up"] * setup.watts_running,
        "other work": instructions * setup.joules_per_instruction,
    }


def _digital(parts: Parts, setup: Setup, busy: float) -> dict[str, float]:
    listening = {"microphone": _part(parts, "digital_microphone")}
    if setup.converter:
        listening = {
            "microphone": _part(parts, "analog_microphone"),
            "amplifier": _amplifier(parts, setup.front.upper_hz),
            "ADC": parts["adc.energy"] * setup.front.rate,
        }
    features = busy * parts["work.features"] * setup.joules_per_instruction
    network = busy * setup.inferences * parts["work.network"] * setup.joules_per_instruction
    gate = (1.0 - busy) * parts["work.gate"]
    return {
        **listening,
        "sampling": parts["mcu.acquisition_current"] * parts["battery.voltage"],
        "features": features,
        "network": network,
        **_controller(parts, setup, gate, _DIGITAL_HOPS),
    }


def _analog(parts: Parts, setup: Setup, busy: float) -> dict[str, float]:
    front, filters = setup.front, setup.front.filters
    hops = busy * front.rate / front.hop
    instructions = hops * parts["work.read_bits"]
    network = busy * setup.inferences * parts["work.binary_network"]
    return {
        "microphone": _part(parts, "analog_microphone"),
        "amplifier": _amplifier(parts, front.upper_hz),
        **_filters(parts, setup),
        "thresholds": filters * parts["divider.power"],
        "network": network * setup.joules_per_instruction,
        **_controller(parts, setup, instructions, hops),
    }


def _filters(parts: Parts, setup: Setup) -> dict[str, float]:
    if setup.integrated:
        # The filter bank has its own supply below the battery's.
        return {"filters": _drawn(parts, setup.front.filters * parts["integrated.power"], 0.0)}
    wanted = setup.front.wanted
    stages = zip(wanted.centre, wanted.quality, strict=True)
    return {
        "filters": sum(_amplifier(parts, float(f * max(q, 1.0))) for f, q in stages),
        "rectifiers": sum(_amplifier(parts, float(f)) for f in wanted.centre),
        "comparators": setup.front.filters * _part(parts, "comparator"),
    }


def _amplifier(parts: Parts, hertz: float) -> float:
    """Watts of the most frugal amplifier for a signal of `hertz`, times its Q."""
    one = choose(parts, hertz)
    return _drawn(parts, one.current * one.voltage, one.voltage)


def choose(parts: Parts, hertz: float) -> OpAmp:
    """The amplifier with the least power that is ten times as fast as `hertz`.

    Raises:
        TinykitError: there is none.
    """
    fast = [one for one in parts.op_amps if one.gain_bandwidth >= _MARGIN * hertz]
    if not fast:
        raise TinykitError(
            f"no amplifier among the parts has {_MARGIN * hertz / 1e3:.0f} kHz of gain-bandwidth.",
            where="op_amps",
            remedy="Add a faster one to the file of parts, or take fewer channels, of less Q.",
        )
    return min(fast, key=lambda one: one.current * one.voltage)


def acquisition(powers: Mapping[str, float]) -> float:
    """Watts of one way's acquisition and features: all that is not network, sleep or other work."""
    return sum(watts for name, watts in powers.items() if name not in _NOT_ACQUISITION)


def sensitivities(
    parts: Parts, setup: Setup, share: float, change: float = 0.5
) -> dict[str, tuple[float, float]]:
    """The ratio of digital to analog power with each figure `change` lower and higher.

    Figures that leave the ratio alone are left out; the most important come first.
    """
    usual = ratio(parts, setup, share)
    found = {}
    for name in parts.names():
        low, high = (ratio(parts.changed(name, f), setup, share) for f in (1 - change, 1 + change))
        if max(abs(low - usual), abs(high - usual)) > 1e-9 * usual:
            found[name] = (low, high)
    return dict(sorted(found.items(), key=lambda one: -abs(one[1][1] - one[1][0])))


def ratio(parts: Parts, setup: Setup, share: float) -> float:
    """How many times the power of the analog way the digital one takes."""
    found = powers(parts, setup, share)
    return sum(found["digital"].values()) / sum(found["analog"].values())


def lifetimes(parts: Parts, watts: float) -> Mapping[str, float]:
    """Days by battery, without its own discharge and with all of its nominal capacity."""
    volts = parts["battery.voltage"]
    return {name: hours * volts / watts / _HOURS_A_DAY for name, hours in parts.batteries.items()}
