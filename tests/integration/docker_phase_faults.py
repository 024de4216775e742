#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every phase of every command, and an Engine that misbehaves in it: tests/integration/docker_phase_faults.table, row by row. TAP.

usage: docker_phase_faults.py PROGRAM STATE [--part I/N] [--only WORD,...] [--learn]

A row is: command, phase, fault, exit status, which release is active afterwards (old, new, whole). The Engine is tests/fake/dockerd.py, which
falls ill (tests/fake/docker_faults.py) when the phase's request comes. The command must end in time with this status, and once the Engine is
well again `recover` must end with 0, with what design.md says must never be false being so: in the root and in the Engine (tests/fault/harness.py).
--learn prints the table as it is, to be read before it is kept."""
import glob
import json
import os
import re
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "fault"))
from harness import UnixHTTP, Harness, digest  # noqa: E402

# config.yaml's engine_timeout, and the longest that a command may take with it. Short where a fault is waited out; where the machine is
# so busy that a row does not end as it should, it is tried once more with four times as much.
SHORT_MS = 400
LONG_MS = 5000
BOUND_S = 40
WAITED_OUT = ("stop", "slow", "trickle", "cut")
CREATED = "POST /containers/create"
STARTED = "POST /containers/[^/]*/start"
LOOK = "GET /containers/[^/]*/json"
UPDATE = "POST /containers/[^/]*/update"
# phase: (the request that the Engine falls ill at, after which one)
PHASES = {
    "open": ("GET /_ping", None),
    "find image": ("GET /images/.*/json", None),
    "load": ("POST /images/load", None),
    "create": (CREATED, None),
    "start": (STARTED, None),
    "ready": (LOOK, STARTED),
    "ask": ("QUESTION$", "QUESTION$"),
    "switch": (UPDATE, STARTED),
    "watch": (LOOK, UPDATE),
    "retire": ("POST /containers/[^/]*/stop", None),
    "look": ("GET /containers/json", None),
    "inspect": (LOOK, None),
    "list": ("GET /images/json", None),
    "remove": ("DELETE /images/", None),
}


class Sick(Harness):
    def __init__(self, program, state):
        Harness.__init__(self, program, state, "none")

    def tell(self, what, value=None):
        c = UnixHTTP(self.socket + ".control")
        c.request("POST", "/" + what, json.dumps(value))
        answer = json.loads(c.getresponse().read())
        c.close()
        return answer

    def engine_timeout(self, ms):
        with open(os.path.join(self.root, "config.yaml"), "w") as f:
            f.write("gateway: {mode: none}\nengine_timeout: %dms\n" % ms)

    def new_root(self):
        Harness.new_root(self)
        self.engine_timeout(LONG_MS)

    def containers(self, route, now, stopped=False):
        """A release on disk keeps its run directory, where someone pruned its container, too."""
        kept = {digest(open(p, "rb").read())[:12] for p in glob.glob(os.path.join(self.root, "routes", route, "releases", "*", "release.lock.json"))}
        return [w for w in Harness.containers(self, route, now, stopped) if not (w.startswith("run/") and w[4:16] in kept)]

    def words(self, version):
        return ["apply", self.lock(version), "--archive", os.path.join(self.state, "t", "tiny.tar")]

    def applied(self, *changes):
        version = self.release(*changes)
        self.must(*self.words(version))
        return version


STOPPED = 'rollout.previous="stopped"'
GOLDEN = "eval=" + json.dumps({"golden": {"name": "g", "cases": [
    {"id": "a", "severity": "blocker", "messages": [{"role": "user", "content": "x"}], "context": [], "max_tokens": 4, "seed": 42,
     "timeout_ms": 5000, "attempts": 1, "assert": [{"kind": "contains", "values": ["yes"]}]}]}})


def prepare_apply(w, phase):
    before = w.active()
    w.tell("forget")
    version = w.release(STOPPED, GOLDEN, "rollout.watch_ms=%d" % (2000 if phase == "watch" else 0))
    return w.words(version), before, version


def prepare_rollback(w, phase):
    before = w.active()
    version = w.applied(STOPPED)
    w.tell("forget")
    w.tell("prune")
    return ["rollback", "demo"], version, before


def prepare_recover(w, phase):
    before = w.active()
    version = w.release(STOPPED)
    w.run(*w.words(version), fault="release.flip:before:kill")
    w.ask_engine("POST", "/v1.41/containers/%s/stop" % w.container(version))
    w.tell("prune")
    w.tell("forget")
    return ["recover", "demo"], before, version


def prepare_gc(w, phase):
    w.applied(STOPPED)
    version = w.release("rollout.keep=1")
    w.run(*w.words(version), fault="release.remove:during:EIO")  # so that it does not collect by itself
    return ["gc"], version, version


def prepare_verify(w, phase):
    return ["verify", "demo"], w.active(), w.active()


COMMANDS = {"apply": prepare_apply, "rollback": prepare_rollback, "recover": prepare_recover, "gc": prepare_gc, "verify": prepare_verify}


def container(w, version):
    for c in w.ask_engine("GET", "/v1.41/containers/json?all=1"):
        if (c["Labels"] or {}).get("llmdeploy.version") == version:
            return c["Names"][0][1:]
    raise RuntimeError("no container of " + version)


Sick.container = container


def read_table():
    rows = []
    for line in open(os.path.join(HERE, "docker_phase_faults.table")):
        fields = [f.strip() for f in line.split("|")]
        if not line.startswith("#") and len(fields) == 5:
            rows.append(fields)
    return rows


class Runner:
    def __init__(self, harness, learn):
        self.w, self.learn = harness, learn
        self.count = self.bad = 0

    def base(self):
        self.w.tell("well")
        self.w.tell("wipe")
        self.w.new_root()
        for _ in range(2):
            self.w.applied(STOPPED)

    def row(self, command, phase, fault, status, end):
        short = SHORT_MS if fault.split()[0] in WAITED_OUT else LONG_MS
        for limit in (short, 4 * short):
            problems, told = self.once(limit, command, phase, fault, status, end)
            if not problems:
                break
            print("# %s, %s, %s, with engine_timeout %d ms: %s" % (command, phase, fault, limit, "; ".join(problems).replace("\n", " / ")), flush=True)
            self.base()
        self.count += 1
        self.bad += bool(problems)
        print("%sok %d - %s, %s, %s: %s" % ("not " if problems else "", self.count, command, phase, fault, told), flush=True)

    def once(self, limit, command, phase, fault, status, end):
        """Problems, and how it ended."""
        w = self.w
        words, old, new = COMMANDS[command](w, phase)
        w.engine_timeout(limit)
        w.tell("wipe_other")
        on, after = PHASES[phase]
        do, _, when = fault.partition(" ")
        w.tell("plan", {"on": on, "after": after, "do": do, "when": when or "before"})
        began = time.time()
        try:
            got, said = w.run(*words, timeout=BOUND_S)
        except Exception as e:  # it took too long
            got, said = -1, str(e)
        took = time.time() - began
        fell = w.tell("well")["fell"]
        problems = [] if fell else ["no such request came"]
        w.engine_timeout(LONG_MS)
        # What an Engine that changed its store had is gone, whatever the command did: only recovery creates it again.
        if got == 0 and do != "upgrade":
            problems += ["before recovery: " + p for p in w.invariants({old, new})]
        settled, said2 = w.run("recover", "demo", timeout=BOUND_S)
        if settled:
            problems.append("recover ended with %d: %s" % (settled, said2.strip()[-300:]))
        problems += w.invariants({old, new})
        now = "whole" if old == new else "new" if w.active() == new else "old"
        if (str(got) not in status.split(" or ") or now != end) and not self.learn:
            problems.append("it ended with %d, %s is active: %s" % (got, now, said.strip()[-500:]))
        if self.learn:
            print("LEARNED %-8s | %-10s | %-13s | %-3s | %s" % (command, phase, fault, got, now))
            print("SAID " + said.strip().replace("\n", "\nSAID "), flush=True)
        return problems, "exit %s, %s is active (%.1f s)" % (got, now, took) if now != "whole" else "exit %s (%.1f s)" % (got, took)


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    part = next((a[7:].split("/") for a in sys.argv if a.startswith("--part=")), ["0", "1"])
    only = next((a[7:].split(",") for a in sys.argv if a.startswith("--only=")), [])
    harness = Sick(args[0], args[1])
    try:
        shutil.copy("/bin/true", os.path.join(harness.state, "tiny"))
        harness.release()
        harness.new_root()
        runner = Runner(harness, "--learn" in sys.argv)
        runner.base()
        for i, row in enumerate(r for r in read_table() if all(any(re.fullmatch(o, f) for f in r) for o in only)):
            if i % int(part[1]) == int(part[0]):
                runner.row(*row)
        print("# %d rows" % runner.count)
        return 1 if runner.bad or not runner.count else 0
    finally:
        harness.stop()
        shutil.rmtree(harness.state, ignore_errors=True)


sys.exit(main())
