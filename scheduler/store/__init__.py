"""The only package that touches the ORM: rows in, the values of `scheduler.model` out, and back.

    runner.py     who has an app in hand
    reading.py    rows -> values
    committing.py decisions -> rows: moves, claims, new instances, outcomes
    recording.py  what engines and edges did and showed -> rows
    sweeping.py   which apps and nodes want to be looked at

Every write is either conditional on what it replaces or safe to repeat, and whoever wants to know of a change is told
after commit.
"""
