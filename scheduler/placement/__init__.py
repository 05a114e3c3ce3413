"""Where instances run: nodes and a request in, a placement and its explanation out. Pure."""

from scheduler.placement.explanation import Explanation
from scheduler.placement.place import place
from scheduler.placement.profiles import BINPACK, SPREAD, Profile
from scheduler.placement.values import Decision, Node, Request

__all__ = ["BINPACK", "SPREAD", "Decision", "Explanation", "Node", "Profile", "Request", "place"]
