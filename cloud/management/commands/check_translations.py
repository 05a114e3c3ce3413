"""Fail unless every text is translated into every language, and the compiled catalogues are up to date.

The texts are extracted anew into a copy of the sources, so that nothing here changes.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cloud.supervisor.specs import MANAGE, ROOT

FOLDERS = ("apps", "cloud", "scheduler", "templates", "static", "locale")


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        catalogues = sorted((ROOT / "locale").glob("*/LC_MESSAGES/*.po"))
        languages = {path.parent.parent.name for path in catalogues}
        wanted = {code.replace("-hans", "_Hans") for code, _name in settings.LANGUAGES if code != "en"}
        problems = [f"no catalogue for {language}" for language in sorted(wanted - languages)]
        with tempfile.TemporaryDirectory(prefix="berth-texts-") as name:
            copy = Path(name)
            for folder in FOLDERS:
                shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
            shutil.copy(MANAGE[1], copy)
            self._extract(copy, sorted(languages))
            for catalogue in catalogues:
                problems += self._problems(catalogue, copy / catalogue.relative_to(ROOT))
        if problems:
            raise CommandError("\n".join(problems))
        self.stdout.write(f"{', '.join(sorted(languages))}: complete")

    def _extract(self, copy: Path, languages: list[str]) -> None:
        for domain in ("django", "djangojs"):
            which = [f"--locale={language}" for language in languages]
            argv = [MANAGE[0], "manage.py", "makemessages", f"--domain={domain}", "--keep-pot", *which]
            done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)
            if done.returncode:
                raise CommandError(done.stderr)

    def _problems(self, catalogue: Path, extracted: Path) -> list[str]:
        """What is untranslated or unsure in the catalogue, no longer in the sources, or not compiled."""
        texts = extracted.parent.parent.parent / f"{catalogue.stem}.pot"
        if not texts.exists():
            return [f"{catalogue.relative_to(ROOT)}: its texts are gone"]
        missing = _run("msgcmp", str(catalogue), str(texts))
        stale = _run("msgcmp", "--use-untranslated", str(texts), str(catalogue))
        compiled = catalogue.with_suffix(".mo")
        fresh = extracted.with_suffix(".mo")
        _run("msgfmt", "--check", f"--output-file={fresh}", str(catalogue))
        if not compiled.exists() or compiled.read_bytes() != fresh.read_bytes():
            missing.append(f"{compiled.relative_to(ROOT)} is out of date: ./berth compilemessages")
        return missing + stale


def _run(*argv: str) -> list[str]:
    """What a tool of gettext complains about."""
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines() if done.returncode else []
