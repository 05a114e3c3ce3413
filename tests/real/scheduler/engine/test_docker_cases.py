"""A real engine does what every engine does."""

from tests.engine_cases import *  # noqa: F403
