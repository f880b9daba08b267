"""Files of the network, which cellstep does not fetch."""

from __future__ import annotations

from typing import Any


def get_file(fname: str | None = None, origin: str | None = None, *args: Any, **options: Any) -> str:
    """NotImplementedError, and what to do: cellstep uses no network."""
    raise NotImplementedError(
        f"get_file is not built, as cellstep uses no network: fetch {origin or 'the file'} yourself, say by "
        f"urllib.request.urlretrieve({origin!r}, {fname!r}), and open what that wrote"
    )
