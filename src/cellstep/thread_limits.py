"""What threadpoolctl needs to see and limit the threads of the compiled kernels."""

from __future__ import annotations

__all__ = ["register"]


def register() -> None:
    """Tell threadpoolctl about the library that has the compiled kernels. A limit holds in the whole process."""
    import threadpoolctl

    if not hasattr(threadpoolctl, "register"):  # before 3.2
        return

    class Kernels(threadpoolctl.LibController):  # type: ignore[misc]
        user_api = internal_api = "cellstep"
        filename_prefixes = ("compiled.",)
        check_symbols = ("cs_threads", "cs_limit_from_outside")

        def get_num_threads(self) -> int:
            return int(self.dynlib.cs_threads())

        def set_num_threads(self, num_threads: int) -> None:
            self.dynlib.cs_limit_from_outside(num_threads)

        def get_version(self) -> None:
            """None of its own."""

    threadpoolctl.register(Kernels)
