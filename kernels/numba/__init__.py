"""The contract compiled by Numba at first use: what runs where there was no C compiler. Needs `cellstep[numba]`."""
