from __future__ import annotations

from pathlib import Path

import pytest

from cloud.supervisor import front
from scheduler.edge.folder import MOST_ENDS, Folder, FolderError, write


def test_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "edge")
    folder.prepare()
    assert {path.stat().st_mode & 0o777 for path in (folder.root, folder.conf, folder.staged)} == {0o700}


@pytest.mark.parametrize("name", ["x" * 90, "it's", "new\nline"])
def test_a_path_that_haproxy_cannot_work_with_is_refused_with_a_word(tmp_path: Path, name: str) -> None:
    with pytest.raises(FolderError):
        Folder(tmp_path / name).prepare()


def test_one_agent_has_it_at_a_time(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.lock(), pytest.raises(FolderError, match="another agent"):
        folder.lock()
    folder.lock().close()


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path / "file", "one")
    write(tmp_path / "file", "two")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["two"]


def test_each_folder_has_a_log_socket_of_its_own(tmp_path: Path) -> None:
    assert Folder(tmp_path).hints != Folder(tmp_path / "other").hints


def test_the_ends_of_haproxy_are_counted_from_a_time_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "edge")
    folder.prepare()
    assert front.restarts(tmp_path, 0) == 0
    for at in (100.4, 200.6, 300.0):
        folder.remember_end(at)
    assert [front.restarts(tmp_path, since) for since in (0, 201.0, 301.0)] == [3, 2, 0]
    for _ in range(MOST_ENDS):
        folder.remember_end(400.0)
    assert front.restarts(tmp_path, 0) == MOST_ENDS
