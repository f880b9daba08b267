"""Refuses wheels that are large, or that bring or need libraries: check_wheels.py FOLDER"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

MOST = 2_000_000
#: Parts of the C library, which a policy of wheels lets them need.
ALLOWED = re.compile(rb"^(libc\.so\.6|libc\.musl-\w+\.so\.1|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux\S*)$")


def wrong(wheel: Path) -> list[str]:
    """What is wrong with it, a sentence each."""
    said = []
    if wheel.stat().st_size > MOST:
        said.append(f"{wheel.name} has {wheel.stat().st_size} bytes, more than {MOST}")
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        libraries = [name for name in names if re.search(r"\.(so|dylib)", name)]
        said += [f"{wheel.name} brings {name}" for name in libraries if "/kernels/cython/compiled." not in name]
        if not libraries and "none-any" not in wheel.name:
            said.append(f"{wheel.name} has no compiled kernels")
        for name in libraries:
            needed = set(re.findall(rb"\0(lib[\w+-]+\.so[.\d]*|libc\.musl-\w+\.so\.1)(?=\0)", files.read(name)))
            said += [f"{wheel.name} needs {found.decode()}" for found in sorted(needed) if not ALLOWED.match(found)]
    return said


if __name__ == "__main__":
    wheels = sorted(Path(sys.argv[1]).glob("*.whl"))
    said = [line for wheel in wheels for line in wrong(wheel)] if wheels else [f"no wheels in {sys.argv[1]}"]
    sys.exit("\n".join(said) or None)
