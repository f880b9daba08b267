"""The contract in plain NumPy: the specification of every cell, and the backend of last resort."""
