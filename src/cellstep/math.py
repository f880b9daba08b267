"""`cellstep.ops` under its older name."""

from .ops import *  # noqa: F403
from .ops import __all__, __dir__, __getattr__  # noqa: F401
