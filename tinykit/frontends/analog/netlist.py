# SPDX-License-Identifier: Apache-2.0
"""The front end as a SPICE netlist, for ngspice, LTspice and their like.

Ground is the middle of the supply. Op-amps are macro models with one pole, rectifiers and
comparators are behavioural sources; the filters' resistors and capacitors are those of the design.
"""

from __future__ import annotations

import numpy as np

from tinykit.frontends.analog.frontend import Analog
from tinykit.frontends.fixed import FloatArray

_MODELS = """\
* An op-amp with one pole: 100 dB, and the gain-bandwidth GBW.
.subckt opamp inp inn out
Rin inp inn 1e12
Gm 0 pole inp inn 1m
Rp pole 0 100meg
Cp pole 0 {1m / (6.283185307 * GBW)}
Eout out 0 pole 0 1
.ends opamp

* Full-wave rectifier, and an envelope detector whose time constant is TAU.
.subckt detector in env
Brect rect 0 V=abs(V(in))
Re rect env 100k
Ce env 0 {TAU / 100k}
.ends detector

* A comparator: high above thr, low again HYST below it.
.subckt comparator env thr bit
Bout drive 0 V={VDD} / 2 * (1 + tanh(1e4 * (V(env) - V(thr) + {HYST / VDD} * V(bit))))
Rd drive bit 1k
Cd bit 0 1n
.ends comparator
"""


def _value(number: float) -> str:
    """Six digits and an exponent, which every SPICE reads alike."""
    return f"{number:.6g}"


def _stage(index: int, front: Analog) -> str:
    parts, made = front.stages, front.stages.ideal()
    shunt = "" if np.isinf(parts.r2[index]) else f"R2 node 0 {_value(parts.r2[index])}\n"
    return (
        f"* {made.centre[index]:.1f} Hz, Q {made.quality[index]:.3f}, "
        f"gain {made.gain[index]:.3f}; wanted {front.wanted.centre[index]:.1f} Hz, "
        f"Q {front.wanted.quality[index]:.3f}\n"
        f".subckt filter{index} in out\n"
        f"R1 in node {_value(parts.r1[index])}\n"
        f"{shunt}"
        f"R3 out inn {_value(parts.r3[index])}\n"
        f"C1 node out {_value(parts.c1[index])}\n"
        f"C2 node inn {_value(parts.c2[index])}\n"
        "X1 0 inn out opamp\n"
        f".ends filter{index}\n"
    )


def _channel(index: int, volts: float) -> str:
    return (
        f"Xfilter{index} in bp{index} filter{index}\n"
        f"Xdetector{index} bp{index} env{index} detector\n"
        f"Vthreshold{index} thr{index} 0 {_value(volts)}\n"
        f"Xcomparator{index} env{index} thr{index} bit{index} comparator\n"
    )


def render_netlist(
    front: Analog, *, gain_bandwidth: float, full_scale: float, supply: float
) -> str:
    """The netlist; its input is the node `in`, its outputs are bp, env and bit of each filter.

    Args:
        front: adaptive thresholds are exported as if the reference were the full scale.
        gain_bandwidth: of the op-amps, Hz.
        full_scale: volts that int16 full scale stands for.
        supply: volts of a high bit.
    """
    volts: FloatArray = np.maximum(front.comparator().levels, front.floor) * full_scale
    lines = [
        f"* Analog binary front end: {front.filters} filters, resistors of {front.series}",
        f"* {front.threshold} thresholds; made by tinykit",
        f".param GBW={_value(gain_bandwidth)} TAU={_value(front.tau)}",
        f".param VDD={_value(supply)} HYST={_value(front.hysteresis * full_scale)}",
        "",
        _MODELS,
        *(_stage(index, front) for index in range(front.filters)),
        f"Vin in 0 DC 0 AC 1 SIN(0 {_value(full_scale / 10)} 1k)",
        *(_channel(index, float(volts[index])) for index in range(front.filters)),
        ".ac dec 50 20 20k",
        ".end",
    ]
    return "\n".join(lines) + "\n"
