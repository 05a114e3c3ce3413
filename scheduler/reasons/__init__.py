"""Why something is done, or cannot be: a code, its figures, and the English sentence they make.

Every item of a plan, every "no" of the placement and every event carries a `Reason`, from where it is found to where it
is shown, rows in between included. The panel says it in the reader's language: the templates are gettext message ids,
in `loop.py`, `found.py` and `placement.py` by who gives them.
"""

from scheduler.reasons.amounts import Amount, Unit, rounded_up
from scheduler.reasons.templates import TEMPLATES
from scheduler.reasons.values import FIGURES, Reason, because, in_english, joined, restored, stored, text

__all__ = [
    "FIGURES",
    "TEMPLATES",
    "Amount",
    "Reason",
    "Unit",
    "because",
    "in_english",
    "joined",
    "restored",
    "rounded_up",
    "stored",
    "text",
]
