"""What this machine can do at best: `python bench/limits.py [--threads N ...]`."""

from __future__ import annotations

import argparse

from cellstep.benchmarks import limits, threads


def main() -> None:
    """Print the peak of multiply-adds and the bandwidth of reading, by size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", nargs="+", type=int, default=threads.choices())
    for n in parser.parse_args().threads:
        found = limits.measure(n)
        print(f"threads {n}: {found.peak / 1e9:.0f} GFLOP/s in a float32 product")
        for size, rate in found.bandwidth.items():
            print(f"{size >> 10:8} KB {rate / 1e9:6.0f} GB/s")


if __name__ == "__main__":
    main()
