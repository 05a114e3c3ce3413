"""The numbers by which nodes compete: one whole number a node and kind, the highest wins.

A key is the weighted sum of the node's scores times `State.ranks`, plus the node's rank by name, so that no two nodes
have the same key. What is refused has a key below `FEASIBLE`.
"""

NEVER = -(1 << 61)  # a node that is refused
REFUSED = -(1 << 57)  # what each constraint on an app's count takes from the key of a node that it refuses
FEASIBLE = -(1 << 56)  # keys above this belong to nodes that fit
