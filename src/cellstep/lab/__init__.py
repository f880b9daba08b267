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
    "BPTT": ".analysis.bptt:BPTT",
    "Comparison": ".analysis.comparison:Comparison",
    "Gates": ".analysis.gates:Gates",
    "GradientFlow": ".analysis.gradient_flow:GradientFlow",
    "GradientMonitor": ".analysis.gradient_monitor:GradientMonitor",
    "GradientWarning": ".analysis.gradient_monitor:GradientWarning",
    "Lyapunov": ".analysis.lyapunov:Lyapunov",
    "Result": ".result:Result",
    "Unrolled": ".diagrams.unroll:Unrolled",
    "bptt": ".analysis.bptt:bptt",
    "compare": ".analysis.comparison:compare",
    "gates": ".analysis.gates:gates",
    "gradient_flow": ".analysis.gradient_flow:gradient_flow",
    "lyapunov": ".analysis.lyapunov:lyapunov",
    "report": ".html_report:report",
    "style": ".style",
    "tasks": ".tasks",
    "unroll": ".diagrams.unroll:unroll",
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
    from .analysis.bptt import BPTT, bptt
    from .analysis.comparison import Comparison, compare
    from .analysis.gates import Gates, gates
    from .analysis.gradient_flow import GradientFlow, gradient_flow
    from .analysis.gradient_monitor import GradientMonitor, GradientWarning
    from .analysis.lyapunov import Lyapunov, lyapunov
    from .diagrams.unroll import Unrolled, unroll
    from .html_report import report
    from .result import Result


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
