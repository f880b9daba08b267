"""Messages for `logging`: what a run does by itself, for those who watch it from outside.

    logging.basicConfig()
    logging.getLogger("cellstep").setLevel(logging.INFO)

Loggers are called as the module: `cellstep.callbacks.backup`. A program that never imports `logging` has no handlers,
and does not import it here either.
"""

from __future__ import annotations

import sys


def info(where: str, message: str, *values: object) -> None:
    """A message of a module, `where`, for those who have set logging up."""
    if logging := sys.modules.get("logging"):
        logging.getLogger(where).info(message, *values, stacklevel=2)
