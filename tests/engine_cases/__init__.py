"""What every engine has to do. The same cases run on the fake one (tests/unit) and on a real one (tests/real).

A test module gets them all by `from tests.engine_cases import *`, and has a fixture `subject`.
"""

from tests.engine_cases.containers import *  # noqa: F403
from tests.engine_cases.events import *  # noqa: F403
from tests.engine_cases.images import *  # noqa: F403
from tests.engine_cases.logs import *  # noqa: F403
from tests.engine_cases.networks import *  # noqa: F403
from tests.engine_cases.subject import network  # noqa: F401
