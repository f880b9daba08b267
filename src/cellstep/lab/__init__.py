"""The lab: see how a recurrent net carries a signal forward and a gradient back, and compare cells.

    from cellstep import lab

    print(lab.compare("adding", seeds=5).summary())

Each function gives a result with `summary()`, a few plain sentences; `table()`, a header and rows; and `draw(path)`, a
picture. Pictures need matplotlib and the intervals of `compare` SciPy, `pip install 'cellstep[lab]'`; all other numbers
need NumPy alone. Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exports import lazy

__all__ = [
    "BPTT",
    "Comparison",
    "Dependence",
    "FixedPoints",
    "Diagram",
    "Gates",
    "GradientFlow",
    "GradientMonitor",
    "GradientWarning",
    "Lyapunov",
    "Result",
    "Unrolled",
    "bptt",
    "compare",
    "dependence",
    "fixed_points",
    "diagram",
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
    from .analysis.dependence import Dependence, dependence
    from .analysis.fixed_points import FixedPoints, fixed_points
    from .analysis.gates import Gates, gates
    from .analysis.gradient_flow import GradientFlow, gradient_flow
    from .analysis.gradient_monitor import GradientMonitor, GradientWarning
    from .analysis.lyapunov import Lyapunov, lyapunov
    from .diagrams.diagram import Diagram, diagram
    from .diagrams.unroll import Unrolled, unroll
    from .html_report import report
    from .result import Result

lazy(
    globals(),
    {
        ".analysis.bptt": "BPTT, bptt",
        ".analysis.comparison": "Comparison, compare",
        ".analysis.dependence": "Dependence, dependence",
        ".analysis.fixed_points": "FixedPoints, fixed_points",
        ".analysis.gates": "Gates, gates",
        ".analysis.gradient_flow": "GradientFlow, gradient_flow",
        ".analysis.gradient_monitor": "GradientMonitor, GradientWarning",
        ".analysis.lyapunov": "Lyapunov, lyapunov",
        ".diagrams.diagram": "Diagram, diagram",
        ".diagrams.unroll": "Unrolled, unroll",
        ".html_report": "report",
        ".result": "Result",
    },
)
