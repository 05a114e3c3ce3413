"""`./berth up`: bring everything up, show how, and supervise it until told to stop."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from cloud import config, demo
from cloud.config import Config
from cloud.supervisor import detached, engine, home, ports, record, specs, task
from cloud.supervisor.child import Child
from cloud.supervisor.forks import Nursery
from cloud.supervisor.journal import Journal
from cloud.supervisor.keeper import EngineKeeper
from cloud.supervisor.probes import answers
from cloud.supervisor.steps import Steps
from cloud.supervisor.supervised import State, Supervised
from cloud.supervisor.supervisor import NotReady, Stopped, Supervisor

DEMO_PATIENCE = 15  # seconds until the demo app has to answer again after a restart


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./berth up", description=__doc__)
    parser.add_argument("--detach", action="store_true", help="return when everything is up")
    parser.add_argument("--no-demo", action="store_true", help="deploy no demo app at the first start")
    options = parser.parse_args(arguments)
    if options.detach:
        return detached.run(lambda up: _run(options.no_demo, up))
    return _run(options.no_demo, detached.Front())


def _run(no_demo: bool, front: detached.Front) -> int:
    began = time.monotonic()
    steps = Steps()
    try:
        with steps.step("settings") as step:
            read = config.read()
            home.prepare(read)
            read = config.read()  # with the secrets that there are now
            step.detail = str(read.home)
        with home.locked(read):
            return Up(read, steps, no_demo, began, front).run()
    except (home.AlreadyRunning, engine.EngineMissing, config.ConfigError) as error:
        sys.stderr.write(f"berth: {error}\n")
        return 1


class Up:
    """One run of the supervisor: up, stay, down."""

    def __init__(self, read: Config, steps: Steps, no_demo: bool, began: float, front: detached.Front) -> None:
        self.config, self.steps, self.no_demo, self.began, self.front = read, steps, no_demo, began, front
        self.first = not (read.home / "up").exists()
        self.journal = Journal(read.logs / "supervisor.log", steps)
        self.supervisor = Supervisor(read.run, read.logs, self.journal.tell)
        self.services: list[Child] = []
        self.processes: list[Child] = []
        self.nursery = Nursery(specs.nursery(), read.logs, self.journal.tell)
        self.demo = ""  # what became of the demo app
        self.docker_host = ""  # what Docker's own command needs to address the engine

    def run(self) -> int:
        """Bring up, supervise until asked to stop, stop in order. Apps, edge and engine serve on."""
        code = 0
        try:
            self._bring_up()
            self._announce()
            self.front.up(1 if self.demo == "failed" else 0, self.journal.log)
            self.steps.live = sys.stdout.isatty()
            while True:
                self.supervisor.turn()
                self.supervisor.check_stop()
        except Stopped:
            self.steps.say("")
        except (NotReady, task.TaskFailed, engine.EngineMissing, config.ConfigError) as error:
            self.steps.say(f"\nberth: {error}\n")
            code = 1
        finally:
            self._stop()
        return code

    def _bring_up(self) -> None:
        self._end_orphans()
        with self.steps.step("ports"):
            ports.check(self.config)
            ports.check_pool(self.config)
        self._find_engine()
        self.supervisor.start([self.nursery])
        self._start(self.services, specs.services(self.config))
        with self.steps.step("loading code"):
            self.supervisor.wait_ready([self.nursery], self.steps.tick)
        self._task("prepare")
        self._start(self.processes, specs.processes(self.config))
        if self.demo == "wanted" and not self.no_demo:
            try:
                self._task("demo")
                self.demo = "running"
            except task.TaskFailed as error:
                self.demo = "failed"
                self.steps.say(f"the demo app was not deployed: {error}")
        if self.demo == "running":
            self._await_demo()
        (self.config.home / "up").touch()

    def _end_orphans(self) -> None:
        """What a supervisor that was killed has left. Its children die with it, but may take their time."""
        left = record.orphans(record.read(self.config.run))
        left = [(name, identity) for name, identity in left if name != "dockerd"]
        if left:
            with self.steps.step("leftovers") as step:
                for name, identity in left:
                    identity.end()
                    step.detail += f"{name} "

    def _find_engine(self) -> None:
        with self.steps.step("engine") as step:
            url, own = engine.find(self.config)
            if own is not None:
                keeper = EngineKeeper(own, self.config.logs, self.journal.tell)
                self.supervisor.start([keeper])
                self.supervisor.wait_ready([keeper], self.steps.tick)
            step.detail = f"{url}{' (started by Berth)' if own else ''}"
            os.environ["BERTH_ENGINE"] = url
            self.docker_host = engine.docker_host(url)

    def _start(self, children: list[Child], wanted: Sequence[specs.Spec]) -> None:
        """Start what is wanted together, as `children`, and show each one's time when it is ready."""
        fork = self.nursery.fork
        children += [Child(spec, self.config.logs, self.journal.tell, fork if spec.forked else None) for spec in wanted]
        shown: set[str] = set()

        def tick() -> None:
            for child in children:
                if child.state is State.READY and child.name not in shown:
                    shown.add(child.name)
                    self.steps.done(child.name, time.monotonic() - child.began, child.address)
            step.fraction = len(shown) / max(1, len(children))
            step.detail = ", ".join(child.name for child in children if child.name not in shown)
            self.steps.tick()

        with self.steps.group("starting") as step:
            self.supervisor.start(children)
            self.supervisor.wait_ready(children, tick)
            tick()

    def _task(self, command: str) -> None:
        with self.steps.group(command) as step:

            def heard(message: task.Message) -> None:
                if "began" in message:
                    step.begin(message["began"])
                elif "done" in message:
                    self.steps.done(message["done"], message["seconds"], message["detail"])
                self.demo = message.get("demo", self.demo)
                step.fraction = message.get("progress", step.fraction)

            task.run(self.supervisor, self.nursery.fork, command, heard, self.steps.tick)

    def _await_demo(self) -> None:
        """Until the edge serves the demo app; with a warning only, since it may have been changed meanwhile."""
        front = (specs.loopback(self.config.http_bind), self.config.http_port)
        with self.steps.step("demo app answers") as step:
            give_up = time.monotonic() + DEMO_PATIENCE
            while not answers(front, "/", demo.HOST):
                self.supervisor.turn(0.05)
                self.supervisor.check_stop()
                self.steps.tick()
                if time.monotonic() > give_up:
                    step.detail = "not yet; ./berth status and the panel say more"
                    self.demo = "silent"
                    return
            step.detail = demo.url(self.config)

    def _announce(self) -> None:
        berth = self.config
        password = berth.secrets / "admin"
        lines = [
            "",
            f"Berth is up after {time.monotonic() - self.began:.1f} s.",
            "",
            f"  Panel   {berth.panel_url}",
            f"  Login   admin  {password.read_text().strip() if self.first else f'(password: {password})'}",
        ]
        if self.demo in ("running", "silent"):
            lines.append(f"  Demo    {demo.url(berth)}")
        if self.docker_host:
            lines.append(f"  Docker  export DOCKER_HOST={self.docker_host}")
        stop = "./berth down" if self.front.detached else "Ctrl-C"
        lines += ["", f"  {stop} stops Berth; apps and edge serve on.", ""]
        self.steps.say("\n".join(lines))

    def _stop(self) -> None:
        """Berth's own processes first, what they need after them. The engine stays."""
        self.supervisor.stop_asked = max(1, self.supervisor.stop_asked)
        stages = (("stopping processes", [*self.processes, self.nursery]), ("stopping services", self.services))
        for name, children in stages:
            running: list[Supervised] = [child for child in children if child.state is not State.STOPPED]
            if running:
                with self.steps.step(name) as step:
                    step.detail = ", ".join(child.name for child in running)
                    self.supervisor.stop(children, self.steps.tick)
