"""BackupAndRestore: training that was interrupted, in whatever way, resumes with the same results."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ..configured import levels_to_user
from ..core import check_path
from ..log import info
from . import state_file
from .base import Callback, Logs
from .checkpoints import Every


class BackupAndRestore(Callback):
    """Resumes an interrupted `fit`: the same call, repeated, continues from the last backup.

    The backup is one file, `latest.state` in `backup_dir`, replaced as a whole. It holds the weights, the optimizer,
    the learning rate, the states of stateful layers, which layers are trainable, the logs so far, all random generators
    (of cellstep, of its layers, of Python's `random` and NumPy's `np.random`), the place in the epoch and its order,
    running metrics, and what other callbacks remember. So a run that was killed ends with the same bits of weights and
    the same History as one that was not.

    Args:
        backup_dir: the folder for the backup.
        save_freq: "epoch", or after each so many batches.
        double_checkpoint: keep the backup before the last one too, as `latest.state.before`; it is used where the last
            one is missing or damaged.
        delete_checkpoint: delete them when training has ended.

    The model must be built before `fit`, and the program must make the same data, model and callbacks again. Batches of
    a generator, or of another iterable, that had been taken already are taken again and passed by; what it draws
    elsewhere than from the generators above, as PyTorch's loaders do, is not part of the backup. A callback of your own
    keeps what it returns from `get_state`; see `Callback`. Hooks of this callback come after those of all others.

    Raises:
        ValueError: when training begins: the model is not built, or the backup is damaged or of another model.
    """

    last: ClassVar[bool] = True

    def __init__(
        self,
        backup_dir: Any,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if isinstance(backup_dir, str) and not backup_dir:
            raise ValueError("backup_dir must name a directory, got an empty string")
        self.path = check_path("backup_dir", backup_dir) / "latest.state"
        self.before = self.path.with_name(self.path.name + ".before")
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._every = Every(save_freq)

    def on_train_begin(self, logs: Logs = None) -> None:
        if not self.model.built:
            raise ValueError("BackupAndRestore needs a model that is built before fit: give it an Input")
        self._every.seen = 0
        backups = [path for path in (self.path, self.before) if path.exists()]
        for path in backups:
            try:
                state = state_file.read(path)
            except ValueError as error:
                if path == backups[-1]:
                    raise
                warnings.warn(f"the backup before the last one is used: {error}", stacklevel=levels_to_user())
                continue
            self.model.resume(state, path)
            info(__name__, "training of %s goes on from %s", self.model.name, path)
            return

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self._every.batch():
            self._save()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self._every.by_epoch:
            self._save()

    def on_train_end(self, logs: Logs = None) -> None:
        if self.delete_checkpoint:
            # in this order: what is left when this is cut is the newest
            self.before.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)

    def _save(self) -> None:
        state = self.model.training_state()
        for kind, kept in state["callbacks"]:
            state_file.plain(kept, [], f"{kind}.get_state()")  # an error names the callback
        state_file.write(self.path, state, self.before if self.double_checkpoint else None)
