"""Where the native library is: in the package, or for a source folder in the same package installed."""

from __future__ import annotations

import os
import sys

from .._model.errors import LIBRARY_NOT_LOADED, LibraryNotLoaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    # The folder that holds include, lib and share, and the path of the library.
    Build = tuple[str, str]

ENVIRONMENT_VARIABLE = "BARACUDA_FFI_LIBRARY"
FILE_NAME = {"win32": "baracuda_ffi.dll", "darwin": "libbaracuda_ffi.dylib"}.get(
    sys.platform, "libbaracuda_ffi.so"
)

_NAME = "baracuda_ffi"
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ROOT = os.path.dirname(_PACKAGE)
_HEADER = os.path.join("include", "baracuda_ffi.h")


def not_loaded(message: str) -> LibraryNotLoaded:
    return LibraryNotLoaded(LIBRARY_NOT_LOADED, _NAME, message)


def find_library() -> str:
    """The path of the library that this package is to open. Raises ``LibraryNotLoaded``."""
    override = os.environ.get(ENVIRONMENT_VARIABLE)
    if override:
        # An override that points nowhere is a mistake to hear about, not to work around.
        if os.path.isfile(override):
            return os.path.abspath(override)
        raise not_loaded(
            f"{ENVIRONMENT_VARIABLE} is {override!r}, which is not a file; it should be the path of "
            f"{FILE_NAME}, or not be set"
        )
    beside = os.path.join(_PACKAGE, "lib", FILE_NAME)
    if os.path.isfile(beside) and not _own_build():
        return beside
    return find_build()[1]


def find_build() -> Build:
    """What was built into this package, or for a source folder into the installed one of the same release
    and header. Raises ``LibraryNotLoaded``."""
    prefix, library = _own_build() or _installed_build()
    if os.path.isfile(library):
        return prefix, library
    raise not_loaded(
        f"{FILE_NAME} is not where the build put it, {library}; install the package again, or set "
        f"{ENVIRONMENT_VARIABLE} to the library's path"
    )


def _own_build() -> Build | None:
    try:
        # Importing it is also what makes an editable install rebuild.
        from .. import _build_info
    except ImportError:  # a source folder: nothing was built into it
        return None
    return _build_info.PREFIX, _build_info.LIBRARY


def _installed_build() -> Build:
    """Of the distribution that this source folder hides from Python: the folder comes first on ``sys.path``
    wherever Python is started in a clone's root."""
    from importlib import metadata

    ours = _digest(os.path.join(_ROOT, "native", _HEADER))
    others = []
    for distribution in metadata.distributions(name=_NAME):
        prefix = os.path.abspath(str(distribution.locate_file(_NAME)))
        built = _read_build_info(prefix)
        if built is None:
            continue
        # The header has the release in it, and everything that the package knows of the library.
        if ours and _digest(os.path.join(prefix, _HEADER)) == ours:
            return built
        others.append(f"{_NAME} {distribution.version} in {prefix}")
    if others:
        raise not_loaded(
            f"the folder {_PACKAGE} hides the installed {' and '.join(others)}, and is another: its header "
            f"is not the one that was installed. Install it (pip install {_ROOT}), start Python in another "
            f"folder, or set {ENVIRONMENT_VARIABLE} to a library's path"
        )
    raise not_loaded(
        f"{_PACKAGE} is a source folder without a built library, and {_NAME} is not installed for "
        f"{sys.executable}. Install it (pip install {_ROOT}), or set {ENVIRONMENT_VARIABLE} to a library's "
        "path"
    )


def _read_build_info(prefix: str) -> Build | None:
    from runpy import run_path

    file = os.path.join(prefix, "_build_info.py")
    if not os.path.isfile(file):
        return None
    values = run_path(file)
    return values["PREFIX"], values["LIBRARY"]


def _digest(file: str) -> str:
    from hashlib import sha256

    try:
        with open(file, "rb") as opened:
            return sha256(opened.read()).hexdigest()
    except OSError:
        return ""
