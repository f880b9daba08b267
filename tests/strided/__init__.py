"""Calls with arrays of every layout that NumPy can make, held against the same calls with plain copies.

`python -m strided COUNT SEED`, in the folder tests, makes COUNT calls; test_strided.py runs it so. memory.py draws how
an array lies, the other files what is called.
"""
