"""Estimators for scikit-learn: RNNClassifier, RNNRegressor, and `windows`, which cuts a long series into samples.

    from cellstep.sklearn import RNNClassifier
    RNNClassifier("gru", units=16, random_state=0).fit(X, y).predict_proba(X)

scikit-learn is needed here and nowhere else in cellstep.
"""

from __future__ import annotations

try:
    import sklearn as _  # noqa: F401 - only to say in one sentence what is missing
except ModuleNotFoundError as error:
    raise ImportError("cellstep.sklearn needs scikit-learn: pip install 'cellstep[sklearn]'") from error

from ..exports import public
from .estimators import RNNClassifier, RNNRegressor
from .sequences import windows

__all__ = ["RNNClassifier", "RNNRegressor", "windows"]

__dir__ = public(globals())
