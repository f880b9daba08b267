"""The contract compiled: Cython owns the loops over time, threads and tapes, C tiles the arithmetic inside a step."""
