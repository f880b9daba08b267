"""`cellstep.ops` under its older name."""

import sys

from . import ops
from .ops import *  # noqa: F403 - for type checkers

sys.modules[__name__] = ops
