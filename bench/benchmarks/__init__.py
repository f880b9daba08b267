"""Comparisons with peers: what `python -m cellstep bench` runs, and what the repository's `bench/` builds on.

- `shapes`: the one table of work and shapes.
- `problem`, `answers`: the arrays of a row; its answer in float64, and the check of a contender's against it.
- `ours`, `peers/`: contenders, each the same work ready to be timed.
- `interleaved`, `limits`: time a call; time the machine.
- `compare`: rows of the table, timed; `screen`, `picture`: how they are shown.
- `arguments`, `command`: the command line, and what it does.
"""
