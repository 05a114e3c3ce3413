"""Berth's command line: its own commands, and Django's with Berth's settings."""

import os
import sys

from cloud.commands import run

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloud.settings")
    sys.exit(run(sys.argv))
