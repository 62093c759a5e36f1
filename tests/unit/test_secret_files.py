"""Who may read a file with a secret: its owner, and the process that it was handed to."""

import os
import stat

import pytest

from core.secret_files import is_exposed

USER, GROUP, STRANGERS = 10001, 10001, 20000


@pytest.mark.parametrize(
    ("owner", "group", "mode", "exposed"),
    [
        pytest.param(USER, GROUP, 0o400, False, id="its own"),
        pytest.param(USER, GROUP, 0o440, True, id="its own, and its group reads"),
        pytest.param(USER, GROUP, 0o404, True, id="its own, and others read"),
        pytest.param(0, GROUP, 0o440, False, id="Kubernetes: root's, and the group of fsGroup reads"),
        pytest.param(0, 0, 0o440, False, id="systemd: root's, with an ACL"),
        pytest.param(0, STRANGERS, 0o440, True, id="root's, and another group reads"),
        pytest.param(0, GROUP, 0o460, True, id="root's, and the group writes"),
        pytest.param(0, GROUP, 0o444, True, id="root's, and others read"),
        pytest.param(STRANGERS, GROUP, 0o440, True, id="somebody else's"),
    ],
)
def test_a_file_is_exposed(owner: int, group: int, mode: int, exposed: bool) -> None:
    file = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, group, 1, 0, 0, 0))

    assert is_exposed(file, USER, {GROUP}) is exposed


def test_a_service_that_runs_as_root_owns_the_file_itself() -> None:
    file = os.stat_result((stat.S_IFREG | 0o440, 0, 0, 1, 0, 0, 1, 0, 0, 0))

    assert is_exposed(file, 0, {0})
