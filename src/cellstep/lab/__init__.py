"""The lab: see how a recurrent net carries a signal forward and a gradient back, and compare cells.

    from cellstep import lab

    print(lab.compare("adding", seeds=5).summary())

Each function gives a result with `summary()`, a few plain sentences; `table()`, a header and rows; and `draw(path)`, a
picture. Numbers need NumPy alone; pictures need matplotlib, `pip install 'cellstep[lab]'`. Names are imported when they
are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

#: Where each public name lives: a module, or a name in a module.
_PLACES = {
    "BPTT": ".back_through_time:BPTT",
    "Comparison": ".comparison:Comparison",
    "Gates": ".gating:Gates",
    "GradientFlow": ".flow:GradientFlow",
    "GradientMonitor": ".monitor:GradientMonitor",
    "GradientWarning": ".monitor:GradientWarning",
    "Lyapunov": ".exponents:Lyapunov",
    "Result": ".result:Result",
    "Unrolled": ".unrolling:Unrolled",
    "bptt": ".back_through_time:bptt",
    "compare": ".comparison:compare",
    "gates": ".gating:gates",
    "gradient_flow": ".flow:gradient_flow",
    "lyapunov": ".exponents:lyapunov",
    "report": ".page:report",
    "style": ".style",
    "tasks": ".tasks",
    "unroll": ".unrolling:unroll",
}

__all__ = [
    "BPTT",
    "Comparison",
    "Gates",
    "GradientFlow",
    "GradientMonitor",
    "GradientWarning",
    "Lyapunov",
    "Result",
    "Unrolled",
    "bptt",
    "compare",
    "gates",
    "gradient_flow",
    "lyapunov",
    "report",
    "style",
    "tasks",
    "unroll",
]

if TYPE_CHECKING:
    from . import style, tasks
    from .back_through_time import BPTT, bptt
    from .comparison import Comparison, compare
    from .exponents import Lyapunov, lyapunov
    from .flow import GradientFlow, gradient_flow
    from .gating import Gates, gates
    from .monitor import GradientMonitor, GradientWarning
    from .page import report
    from .result import Result
    from .unrolling import Unrolled, unroll


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'cellstep.lab' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    value: Any = importlib.import_module(module, __name__)
    if attribute:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
