"""The process supervisor behind `./berth up`: one thread, one loop, no library beyond Python's own.

identity.py   which process is meant: a pid and when it started
specs.py      what runs: command, environment, readiness
child.py      one process: started, ready, ended, started again
supervisor.py the loop over all of them, and the record of it on disk
home.py       BERTH_HOME: folders, secrets, the lock
engine.py     the Docker Engine that is there, or one of our own
steps.py      what `up` and `down` show while they work
"""
