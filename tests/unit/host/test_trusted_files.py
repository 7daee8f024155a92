# SPDX-License-Identifier: Apache-2.0
"""Files that decide who may log in. A folder takes the place of `/` in these tests."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import os
import stat
import struct
import sys
import threading
from pathlib import Path
from typing import Callable, Collection, Iterator, List, Tuple

import pytest

from eic_sshd.host import trusted_files
from eic_sshd.host.trusted_files import UntrustedFile

ME = os.geteuid()
OTHER = 12345
KEYS = b"ssh-ed25519 AAAA\n"
LIMIT = len(KEYS)
only_root = pytest.mark.skipif(ME != 0, reason="only root can give a file away")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a small machine: /etc/keys/alice, /srv/keys, and a user's folder /home/mallory with a key in it."""
    root = tmp_path / "root"
    for name in ("etc/keys", "srv/keys", "home/mallory"):
        (root / name).mkdir(parents=True)
    for folder in (root, *root.rglob("*")):
        folder.chmod(0o755)
    for file in ("etc/keys/alice", "srv/keys/alice", "home/mallory/key"):
        (root / file).write_bytes(KEYS)
        (root / file).chmod(0o644)
    return root


def read(root: Path, path: str = "/etc/keys/alice", owners: Collection[int] = (ME,), limit: int = LIMIT) -> bytes:
    return trusted_files.read(path, limit, owners, str(root))


def problem(root: Path, path: str = "/etc/keys/alice", owners: Collection[int] = (ME,)) -> str:
    """What is wrong with the file at `path`; every function of the module must report the same."""
    said = set()
    for ask in (lambda: read(root, path, owners), lambda: trusted_files.require_safe(path, owners, str(root))):
        with pytest.raises(UntrustedFile) as unsafe:
            ask()
        said.add(str(unsafe.value))
    (one,) = said
    return one


def link(root: Path, at: str, to: str) -> None:
    (root / at).parent.mkdir(parents=True, exist_ok=True)
    (root / at).symlink_to(to)


def test_file_that_only_its_owner_controls_is_read(root: Path) -> None:
    assert read(root) == KEYS
    trusted_files.require_safe("/etc/keys/alice", (ME,), str(root))
    assert trusted_files.names("/etc/keys", (ME,), str(root)) == ["alice"]


@pytest.mark.parametrize(
    "path",
    ["/etc//keys/./alice", "/etc/keys/../keys/alice", "/../../etc/keys/alice", "//etc/keys/alice/",
     "/etc/keys/./../keys/alice", "/etc/keys//../keys/alice"],
)  # fmt: skip
def test_paths_are_resolved_as_the_kernel_resolves_them(root: Path, path: str) -> None:
    assert read(root, path) == KEYS


def test_relative_path_begins_at_the_working_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "etc")
    assert trusted_files.read("keys/alice", LIMIT, (ME, 0)) == KEYS
    assert trusted_files.read("../srv/keys/alice", LIMIT, (ME, 0)) == KEYS


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o602, 0o620, 0o666])
def test_file_that_others_may_write_is_refused(root: Path, mode: int) -> None:
    (root / "etc/keys/alice").chmod(mode)
    who = "others" if mode & 0o002 else "its group"
    with pytest.raises(UntrustedFile) as refused:
        read(root)
    assert refused.value.path == "/etc/keys/alice"
    assert refused.value.problem == f"writable by {who} (mode {mode:04o})"
    assert refused.value.remedy == "Run `chmod go-w /etc/keys/alice`"
    assert problem(root) == f"/etc/keys/alice: {refused.value.problem}. {refused.value.remedy}"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o755, 0o4755, 0o644])
def test_file_that_only_its_owner_may_write_is_accepted_in_any_mode(root: Path, mode: int) -> None:
    (root / "etc/keys/alice").chmod(mode)
    assert read(root) == KEYS


@pytest.mark.parametrize("folder", ["", "etc", "etc/keys"])
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777, 0o1775, 0o3773, 0o2775])
def test_folder_that_others_may_write_to_is_refused_with_or_without_sticky_bit(
    root: Path, folder: str, mode: int
) -> None:
    (root / folder).chmod(mode)
    said = problem(root)
    who = "others" if mode & 0o002 else "its group"
    assert said.startswith(f"/{folder}: folder writable by {who} (mode {mode:04o}). ")
    # What makes /tmp unusable to everybody is no remedy.
    assert ("chmod" in said) is not bool(mode & stat.S_ISVTX)


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1755, 0o2755, 0o711])
def test_folder_that_only_its_owner_may_write_to_is_accepted_in_any_mode(root: Path, mode: int) -> None:
    (root / "etc/keys").chmod(mode)
    assert read(root) == KEYS


@only_root
@pytest.mark.parametrize("path", ["", "etc", "etc/keys", "etc/keys/alice"])
def test_every_folder_above_a_file_must_belong_to_an_owner(root: Path, path: str) -> None:
    os.chown(root / path, OTHER, 0)
    assert f"owned by uid {OTHER}, not by root. Run `chown root /{path}`" in problem(root)
    assert read(root, owners=(0, OTHER)) == KEYS


@only_root
def test_program_must_belong_to_root_unless_owners_are_named(root: Path) -> None:
    trusted_files.require_safe("/etc/keys/alice", root=str(root))
    os.chown(root / "etc/keys/alice", 1, 1)
    with pytest.raises(UntrustedFile, match="owned by uid 1, not by root"):
        trusted_files.require_safe("/etc/keys/alice", root=str(root))


@only_root
def test_folders_and_links_may_belong_to_root_but_the_file_must_belong_to_an_owner(root: Path) -> None:
    link(root, "etc/link", "keys/alice")
    assert "/etc/keys/alice: owned by uid 0, not by uid 12345." in problem(root, "/etc/link", owners=(OTHER,))
    os.chown(root / "etc/keys/alice", OTHER, OTHER)
    assert read(root, "/etc/link", owners=(OTHER,)) == KEYS
    assert "not by root or uid 7. Run" in problem(root, owners=(7, 0))


LINKS = {
    "relative": ("/etc/keys/bob", "alice"),
    "absolute": ("/etc/keys/bob", "/srv/keys/alice"),
    "up and down": ("/etc/keys/bob", "../../srv/./keys//alice"),
    "above the root": ("/etc/keys/bob", "../../../../srv/keys/alice"),
    "of a folder": ("/etc/more", "/srv/keys"),
    "of a folder, relative": ("/etc/more", "../srv/keys/"),
    "of the folder itself": ("/etc/more", "keys/."),
    "back from a folder": ("/etc/more", "/srv/keys/../../etc/keys"),
}


@pytest.fixture(params=LINKS)
def linked(request: pytest.FixtureRequest, root: Path) -> str:
    """The path of a file that leads over a link."""
    at, to = LINKS[request.param]
    link(root, at[1:], to)
    return at if at.endswith("bob") else f"{at}/alice"


def test_symbolic_link_of_an_owner_is_followed(root: Path, linked: str) -> None:
    assert read(root, linked) == KEYS
    trusted_files.require_safe(linked, (ME,), str(root))


@only_root
def test_symbolic_link_of_another_user_is_refused(root: Path, linked: str) -> None:
    at = linked if linked.endswith("bob") else os.path.dirname(linked)
    os.chown(root / at[1:], OTHER, OTHER, follow_symlinks=False)
    remedy = f"Remove it, or run `chown -h root {at}`"
    assert problem(root, linked) == f"{at}: symbolic link owned by uid {OTHER}, not by root. {remedy}"
    assert read(root, linked, owners=(0, OTHER)) == KEYS


def spoil(root: Path, folder: str) -> None:
    (root / folder).chmod(0o1777)


@pytest.mark.parametrize(
    ("at", "to", "folder"),
    [
        ("etc/keys/bob", "../../srv/keys/alice", "srv"),
        ("etc/keys/bob", "/srv/keys/alice", "srv/keys"),
        ("etc/keys/bob", "/run/../srv/keys/alice", "run"),  # passed through only
        ("run/bob", "/srv/keys/alice", "run"),  # where the link lies
        ("etc/keys/bob", "/run/one/../../srv/keys/alice", "run/one"),
    ],
)
def test_every_folder_on_the_way_of_a_link_is_checked(root: Path, at: str, to: str, folder: str) -> None:
    (root / "run/one").mkdir(parents=True)
    for made in ("run", "run/one"):
        (root / made).chmod(0o755)
    link(root, at, to)
    assert read(root, f"/{at}") == KEYS
    spoil(root, folder)
    assert f"/{folder}: folder writable by others (mode 1777)" in problem(root, f"/{at}")


def test_each_name_on_the_way_to_a_file_is_looked_up_once_in_an_open_folder(root: Path) -> None:
    opened: List[str] = []
    recorded_thread = threading.get_ident()

    def record(event: str, details: Tuple[object, ...]) -> None:
        if event == "open" and isinstance(details[0], str) and threading.get_ident() == recorded_thread:
            opened.append(details[0])

    sys.addaudithook(record)  # it cannot be removed
    content = read(root, "/etc/keys/alice")
    recorded_thread = 0
    assert (content, opened) == (KEYS, [str(root), "etc", "keys", "alice"])


@only_root
def test_every_link_of_a_chain_of_links_is_checked(root: Path) -> None:
    link(root, "etc/keys/bob", "/etc/second")
    link(root, "etc/second", "third")
    link(root, "etc/third", "/srv/keys/alice")
    assert read(root, "/etc/keys/bob") == KEYS
    for name in ("etc/keys/bob", "etc/second", "etc/third"):
        os.chown(root / name, OTHER, OTHER, follow_symlinks=False)
        assert f"/{name}: symbolic link owned by" in problem(root, "/etc/keys/bob")
        os.chown(root / name, 0, 0, follow_symlinks=False)


@only_root
def test_link_by_which_a_user_offers_his_key_as_that_of_another_user_is_refused(root: Path) -> None:
    """keys_file = /run/keys/%u, where any user may make what is not there yet."""
    (root / "run/keys").mkdir(parents=True)
    (root / "run").chmod(0o755)
    spoil(root, "run/keys")
    link(root, "run/keys/root", "/home/mallory/key")
    os.chown(root / "run/keys/root", OTHER, OTHER, follow_symlinks=False)
    assert "/run/keys: folder writable by others" in problem(root, "/run/keys/root")
    (root / "run/keys").chmod(0o755)
    assert "/run/keys/root: symbolic link owned by" in problem(root, "/run/keys/root")
    os.chown(root / "run/keys/root", 0, 0, follow_symlinks=False)
    os.chown(root / "home/mallory", OTHER, OTHER)
    assert "/home/mallory: folder owned by uid" in problem(root, "/run/keys/root")


def test_at_most_40_links_are_followed_as_by_the_kernel(root: Path) -> None:
    link(root, "etc/link0", "keys/alice")
    for number in range(1, 41):
        link(root, f"etc/link{number}", f"link{number - 1}")
    assert read(root, "/etc/link39") == (root / "etc/link39").read_bytes()
    asked: List[Callable[[], bytes]] = [lambda: read(root, "/etc/link40"), (root / "etc/link40").read_bytes]
    for ask in asked:
        with pytest.raises(OSError, match="symbolic links") as error:
            ask()
        assert error.value.errno == errno.ELOOP


@pytest.mark.parametrize("to", ["loop", "/etc/loop", "loop/x"])
def test_link_to_itself_is_an_error(root: Path, to: str) -> None:
    link(root, "etc/loop", to)
    with pytest.raises(OSError, match="symbolic links"):
        read(root, "/etc/loop")


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/etc/none", errno.ENOENT),
        ("/etc/none/x", errno.ENOENT),
        ("/etc/dangling", errno.ENOENT),
        ("/etc/keys/alice/x", errno.ENOTDIR),
        ("/etc/keys/alice/../alice", errno.ENOTDIR),
        ("/etc/" + "x" * 300, errno.ENAMETOOLONG),
    ],
)
def test_missing_file_is_an_os_error(root: Path, path: str, number: int) -> None:
    link(root, "etc/dangling", "/none")
    for ask in (lambda: read(root, path), lambda: trusted_files.require_safe(path, (ME,), str(root))):
        with pytest.raises(OSError) as error:  # noqa: PT011 - its number is what is asked for
            ask()
        assert error.value.errno == number


def test_untrusted_folder_is_refused_before_the_file_in_it_is_looked_up(root: Path) -> None:
    """It may be that another user has taken it away."""
    spoil(root, "etc")
    assert "/etc: folder writable by others" in problem(root, "/etc/none")


@pytest.mark.parametrize("path", ["/", "/..", "/etc", "/etc/keys/..", "/etc/up", "/etc/socket"])
def test_file_that_is_not_regular_is_refused(root: Path, path: str) -> None:
    link(root, "etc/up", "..")
    os.mknod(root / "etc/socket", stat.S_IFSOCK | 0o600)
    with pytest.raises(UntrustedFile, match="not a regular file"):
        trusted_files.require_safe(path, (ME,), str(root))
    with pytest.raises((UntrustedFile, OSError), match=r"not a regular file|No such device"):
        read(root, path)


def test_fifo_is_refused_without_waiting(root: Path) -> None:
    os.mkfifo(root / "etc/fifo")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(problem, root, "/etc/fifo")
        waiting = concurrent.futures.wait([asked], timeout=20).not_done
        os.close(os.open(root / "etc/fifo", os.O_RDWR))  # ends the wait
    assert not waiting
    assert asked.result() == "/etc/fifo: not a regular file"


def test_file_beyond_the_limit_is_refused_and_never_read_in_part(root: Path) -> None:
    assert read(root, limit=LIMIT) == KEYS
    with pytest.raises(UntrustedFile, match=f"/etc/keys/alice: longer than {LIMIT - 1} bytes"):
        read(root, limit=LIMIT - 1)
    (root / "etc/keys/alice").write_bytes(b"")
    assert read(root, limit=0) == b""


def test_growing_file_is_not_read_beyond_the_limit(root: Path) -> None:
    with open(root / "etc/keys/alice", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UntrustedFile, match="longer than"):
        read(root)


def set_acl(path: Path, entries: List[bytes]) -> None:
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(entries))
    except OSError as error:
        pytest.skip(f"no access control lists here: {error.strerror}")


@pytest.mark.parametrize(("mask", "safe"), [(7, False), (2, False), (5, True)])
@pytest.mark.parametrize("path", ["etc/keys", "etc/keys/alice"])
def test_write_access_by_an_acl_counts_as_writable_by_others(root: Path, path: str, mask: int, safe: bool) -> None:
    # acl(5); linux/posix_acl_xattr.h: tag, permissions, id. The owner, user 12345, the group, the mask, others.
    nobody = 0xFFFFFFFF
    entries = ((1, 7, nobody), (2, 7, OTHER), (4, 5, nobody), (0x10, mask, nobody), (0x20, 5, nobody))
    set_acl(root / path, [struct.pack("<HHI", *entry) for entry in entries])
    if safe:
        assert read(root) == KEYS
    else:
        assert f"/{path}: " in problem(root)


@contextlib.contextmanager
def as_another_user(root: Path) -> Iterator[None]:
    """With `root` as the working folder, since that user may have no way to it."""
    before = os.getcwd()
    os.chdir(root)
    os.seteuid(OTHER)
    try:
        yield
    finally:
        os.seteuid(0)
        os.chdir(before)


@only_root
def test_folders_need_not_be_readable_but_the_file_must_be(root: Path) -> None:
    for folder in ("", "etc", "etc/keys"):
        (root / folder).chmod(0o711)
    link(root, "etc/link", "/srv/keys/alice")
    (root / "srv/keys/alice").chmod(0o700)
    with as_another_user(root):
        assert trusted_files.read("/etc/keys/alice", LIMIT, (0,), ".") == KEYS
        for path in ("/srv/keys/alice", "/etc/link"):
            trusted_files.require_safe(path, (0,), ".")
            with pytest.raises(PermissionError):
                trusted_files.read(path, LIMIT, (0,), ".")


@pytest.mark.parametrize("ask", [trusted_files.read, trusted_files.require_safe, trusted_files.names])
@pytest.mark.parametrize("fault", ["none", "mode", "missing"])
def test_reading_a_trusted_file_leaves_no_descriptor_open(root: Path, ask: Callable[..., object], fault: str) -> None:
    link(root, "etc/keys/bob", "../../srv/../etc/keys/alice")
    if fault == "mode":
        spoil(root, "srv")
    elif fault == "missing":
        (root / "etc/keys/alice").unlink()
    limit = (LIMIT,) if ask is trusted_files.read else ()
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        try:
            ask("/etc/keys/bob", *limit, (ME,), str(root))
        except (UntrustedFile, OSError):
            assert fault != "none" or ask is trusted_files.names
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_folder_that_others_may_write_to_is_not_listed(root: Path, mode: int) -> None:
    (root / "etc/keys").chmod(mode)
    with pytest.raises(UntrustedFile, match="/etc/keys: folder writable"):
        trusted_files.names("/etc/keys", (ME,), str(root))


def test_names_in_a_folder_are_sorted(root: Path) -> None:
    for name in ("20", "10", ".hidden"):
        (root / "etc/keys" / name).touch()
    assert trusted_files.names("/etc/keys", (ME,), str(root)) == [".hidden", "10", "20", "alice"]
    link(root, "etc/more", "keys")
    assert trusted_files.names("/etc/more", (ME,), str(root)) == [".hidden", "10", "20", "alice"]


@only_root
def test_folder_of_another_user_is_not_listed(root: Path) -> None:
    os.chown(root / "etc/keys", OTHER, OTHER)
    with pytest.raises(UntrustedFile, match="owned by uid 12345, not by root"):
        trusted_files.names("/etc/keys", (0,), str(root))
    assert trusted_files.names("/etc/keys", (OTHER,), str(root)) == ["alice"]


@pytest.mark.parametrize("path", ["/etc/keys/alice", "/etc/none"])
def test_listing_a_file_is_an_os_error(root: Path, path: str) -> None:
    with pytest.raises(OSError, match=r"Not a directory|No such file"):
        trusted_files.names(path, (ME,), str(root))


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("x;reboot", "'/etc/keys/x;reboot'"), ("it's", "'/etc/keys/it'\\''s'"), ("a b", "'/etc/keys/a b'")],
)
def test_name_that_means_something_to_a_shell_is_quoted_in_the_remedy(root: Path, name: str, quoted: str) -> None:
    (root / "etc/keys" / name).write_bytes(KEYS)
    (root / "etc/keys" / name).chmod(0o666)
    assert problem(root, f"/etc/keys/{name}").endswith(f"Run `chmod go-w {quoted}`")
