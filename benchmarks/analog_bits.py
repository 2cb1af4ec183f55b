# SPDX-License-Identifier: Apache-2.0
"""How the bits of the analog front end bear gains, manufacture and integers, on real recordings.

    python benchmarks/analog_bits.py [--filters 16] [--clips 400] [--units 20]

Levels are the means over training clips of Speech Commands ($TINYKIT_DATA); shares of equal bits
are over validation clips, for fixed and for adaptive thresholds. Units are drawn one effect at a
time, and all together.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from tinykit.data import load_dataset
from tinykit.frontends import Analog
from tinykit.frontends.analog import Tolerances, mel_peaks, nominal_unit, sample_unit

NONE = Tolerances(
    resistor=0.0,
    capacitor=0.0,
    resistor_ppm=0.0,
    capacitor_ppm=0.0,
    gain_bandwidth=1e12,
    gain_bandwidth_spread=0.0,
    noise=0.0,
    offset=0.0,
    supply=(1.0, 1.0),
    microphone_db=0.0,
)
EFFECTS = {
    "resistors 1 %": replace(NONE, resistor=0.01),
    "capacitors 5 %": replace(NONE, capacitor=0.05),
    "0 to 50 degrees": replace(NONE, resistor_ppm=100.0, capacitor_ppm=30.0),
    "op-amps of 1 MHz": replace(NONE, gain_bandwidth=1e6, gain_bandwidth_spread=0.3),
    "op-amp noise 50 nV": replace(NONE, noise=50e-9),
    "comparator offset 3 mV of 1 V": replace(NONE, offset=0.003),
    "supply 0.95 to 1": replace(NONE, supply=(0.95, 1.0)),
    "microphone 1 dB": replace(NONE, microphone_db=1.0),
    "all": Tolerances(),
}


def report(front: Analog, x: np.ndarray, units: int) -> None:
    """Print a line for each effect."""
    nominal = nominal_unit(front.stages, NONE)
    usual = front.bits(x, nominal)
    print(f"{front.threshold}: {100 * usual.mean():.1f} % of the bits are 1")
    integers = front.integer(x)[:, :, 0] > 0
    print(f"  integers: {100 * np.mean(integers == front.bits(x)):.2f} % equal")
    for gain in (0.5, 2.0, 4.0):
        louder = np.clip(np.rint(x * gain), -32768, 32767).astype(np.int16)
        equal = 100 * np.mean(front.bits(louder, nominal) == usual)
        print(f"  gain {gain:g}: {equal:.1f} % equal")
    for name, tolerances in EFFECTS.items():
        rng = np.random.default_rng(0)
        shares = []
        for _ in range(units):
            unit = sample_unit(front.stages, tolerances, rng)
            noise = rng if tolerances.noise else None
            shares.append(100 * np.mean(front.bits(x, unit, noise) == usual))
        print(f"  {name}: {np.mean(shares):.1f} % equal, worst unit {min(shares):.1f} %")
    settings = {n: getattr(front, n) for n in ("filters", "lower_hz", "upper_hz", "rate", "hop")}
    ideal = front.comparator().bits(mel_peaks(x, **settings))
    print(f"  mel triangles: {100 * np.mean(ideal == usual):.1f} % equal")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--units", type=int, default=20)
    options = parser.parse_args()
    data = load_dataset("speech_commands")
    train, validation = data.part("train").x, data.part("validation").x
    x = validation[:: max(len(validation) // options.clips, 1)]
    for threshold in ("fixed", "adaptive"):
        front = Analog(filters=options.filters, threshold=threshold)
        report(front.calibrate(train), x, options.units)


if __name__ == "__main__":
    main()
