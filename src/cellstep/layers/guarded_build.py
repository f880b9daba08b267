"""The `build` of a user's class: done once, or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .context import tracing


def guarded(build: Callable[..., None]) -> Callable[..., None]:
    """A user's `build`: done once, or not at all, and nothing in it is traced."""

    @functools.wraps(build)
    def once(self: Any, *args: Any, **options: Any) -> None:
        with self._lock, tracing(None):
            state, before = vars(self), len(self._weights)
            outermost = "_building" not in state
            if self.built and outermost:
                return
            state["_building"] = True
            try:
                build(self, *args, **options)
            except BaseException:
                del self._weights[before:]
                raise
            finally:
                if outermost:
                    del state["_building"]
            self.built = True
            self.built_for = self.built_for or next(iter([*args, *options.values()]), None)

    return once
