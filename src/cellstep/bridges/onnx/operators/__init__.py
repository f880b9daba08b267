"""The operators that are read, in files by what they do."""

from . import elementwise, learned, moving, recurrent, reducing, sequences, shapes

__all__ = ["elementwise", "learned", "moving", "recurrent", "reducing", "sequences", "shapes"]
