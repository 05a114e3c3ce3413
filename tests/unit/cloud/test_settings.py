"""What the settings make of Berth's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "LANGUAGE_COOKIE_SECURE", "SECURE_HSTS_SECONDS")
SHOW = f"import json; from cloud import settings; print(json.dumps([getattr(settings, name) for name in {NAMES!r}]))"


@pytest.mark.parametrize(("given", "expected"), [("0", [False] * 3 + [0]), ("1", [True] * 3 + [31_536_000])])
def test_behind_a_proxy_that_encrypts_cookies_are_secure_and_hsts_is_sent(
    tmp_path: Path, given: str, expected: list[object]
) -> None:
    environment = {**os.environ, "BERTH_HOME": str(tmp_path), "BERTH_PANEL_HTTPS": given}
    shown = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, check=True)
    assert json.loads(shown.stdout) == expected
