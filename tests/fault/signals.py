#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signals in each phase: exit status, what is said, and what is left right afterwards, before anybody recovers anything. TAP.

usage: signals.py PROGRAM STATE

A phase is a step that takes long (the fake Engine is slow there), or a record of the journal."""
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

from harness import Harness

LATE = 0.3  # a second signal within 300 ms is the first one still
SLOW_CREATE = ("--create-ms", "700")
SLOW_ANSWER = ("--answer-ms", "700")
WATCH = ("rollout.watch_ms=2500",)
CANARY = ('rollout.strategy="canary"', 'rollout.canary={"steps":[{"weight_percent":50,"duration_ms":2500,"min_requests":5}],"gates":'
          '{"error_rate_percent":5,"against_active":{"error_rate_percent":50,"p95_percent":9000,"ttft_percent":9000}}}')

# name, command, changes of the new release, its engine's arguments, when, signals, exit status, what is said, which one is active.
# When: ("step", EFFECT): before its first step; ("after", EFFECT); ("record", EVENT).
ROWS = [
    ("Ctrl-C while the container is made", "apply", (), SLOW_CREATE, ("step", "container.create"), "INT", 130, "interrupted; 'OLD' is untouched", "OLD"),
    ("SIGTERM while the container is made", "apply", (), SLOW_CREATE, ("step", "container.create"), "TERM", 130, "interrupted; 'OLD' is untouched", "OLD"),
    ("Ctrl-C in the proof", "apply", (), SLOW_ANSWER, ("step", "engine.question"), "INT", 130, "interrupted; 'OLD' is untouched", "OLD"),
    ("SIGTERM in the proof", "apply", (), SLOW_ANSWER, ("step", "engine.question"), "TERM", 130, "interrupted; 'OLD' is untouched", "OLD"),
    ("a terminal that drops in the proof", "apply", (), SLOW_ANSWER, ("step", "engine.question"), "HUP", 130, "interrupted; 'OLD' is untouched", "OLD"),
    ("Ctrl-C in the switch", "apply", WATCH, (), ("record", "flip_intent"), "INT", 130, "interrupted; 'OLD' is active again", "OLD"),
    ("SIGTERM in the switch", "apply", WATCH, (), ("record", "flip_intent"), "TERM", 130, "interrupted; 'OLD' is active again", "OLD"),
    ("a terminal that drops in the switch", "apply", WATCH, (), ("record", "flip_intent"), "HUP", 0, "'NEW' is active, after 'OLD'", "NEW"),
    ("Ctrl-C in the watch", "apply", WATCH, (), ("record", "flipped"), "INT", 130, "interrupted; 'OLD' is active again", "OLD"),
    ("a terminal that drops in the watch", "apply", WATCH, (), ("record", "flipped"), "HUP", 0, "'NEW' is active, after 'OLD'", "NEW"),
    ("a second Ctrl-C in the proof", "apply", (), SLOW_CREATE, ("step", "container.create"), "INT INT", 130,
     "stopped at once; the next command, or llmdeploy recover, finishes or undoes the operation", "OLD"),
    ("Ctrl-C in a canary's step", "apply", CANARY, (), ("record", "canary_step"), "INT", 130, "interrupted; 'OLD' is untouched", "OLD"),
    ("SIGTERM in the drain", "apply", ("rollout.drain_ms=20000",), (), ("record", "committed"), "TERM", 130,
     "interrupted; 'NEW' is active and committed, and the previous release still drains: the next command on the route stops it", "NEW"),
    ("Ctrl-C in a rollback's question", "rollback", (), (), ("step", "engine.question"), "INT", 130, "interrupted; 'NEW' stays active", "NEW"),
]


class Signals:
    def __init__(self, harness):
        self.w, self.count, self.failures = harness, 0, 0

    def journal(self):
        with open(os.path.join(self.w.root, "routes", "demo", "journal"), "rb") as f:
            return [json.loads(line.split(b" ", 2)[2]) for line in f.read().splitlines(True) if line.endswith(b"\n")]

    def await_step(self, f, wanted):
        for line in f:
            if line == wanted:
                return True
        return False

    def await_record(self, p, event, since):
        for _ in range(4000):
            if any(r["event"] == event for r in self.journal()[since:]):
                return True
            if p.poll() is not None:
                return False
            time.sleep(0.002)
        return False

    def run(self, words, when, signals):
        """(status, output, whether it came to the phase)"""
        since = len(self.journal())
        r, w = os.pipe()
        env = dict(self.w.env, LLMDEPLOY_FAULT="log:%d" % w)
        p = subprocess.Popen([self.w.program, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[w])
        os.close(w)
        with os.fdopen(r) as f:
            kind, what = when
            reached = self.await_record(p, what, since) if kind == "record" else self.await_step(f, what + " before\n")
            if kind == "step":
                time.sleep(0.05)  # it is in the Engine, or in the engine
            for n, name in enumerate(signals.split()):
                time.sleep(LATE + 0.05 if n else 0)
                p.send_signal(getattr(signal, "SIG" + name))
            # What it has to say of its steps is taken off it until its end.
            threading.Thread(target=lambda: f.read(), daemon=True).start()
            said = p.communicate(timeout=60)[0].decode(errors="replace")
        return p.returncode, said, reached

    def ask_long(self):
        """A request in flight, so that there is something to drain."""
        def ask():
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.w.port, timeout=30)
                c.request("POST", "/v1/chat/completions", json.dumps({"model": "demo", "messages": [{"role": "user", "content": "x"}]}),
                          {"Content-Type": "application/json"})
                self.answered.append(c.getresponse().status)
            except OSError as e:
                self.answered.append(str(e))
        self.answered = []
        self.client = threading.Thread(target=ask)
        self.client.start()
        time.sleep(0.1)

    def prepare(self, command, changes, arguments, drains):
        """(words, OLD, NEW)"""
        old = self.w.release("rollout.drain_ms=200", arguments=("--answer-ms", "3000") if drains else SLOW_ANSWER if command == "rollback" else ())
        self.w.must("apply", self.w.lock(old), "--archive", os.path.join(self.w.state, "t", "tiny.tar"))
        new = self.w.release(*(("rollout.drain_ms=200",) + tuple(changes)), arguments=arguments)
        if command == "rollback":
            self.w.must("apply", self.w.lock(new))
            return ["rollback", "demo"], old, new
        if drains:
            self.ask_long()
        return ["apply", self.w.lock(new)], old, new

    def strays(self, dropped):
        """The Engine may have been slow: what it made late is seen too."""
        time.sleep(0.8 if dropped else 0)
        return ["left over: a container of " + dropped for c in self.w.ask_engine("GET", "/v1.41/containers/json?all=1")
                if dropped and c["Labels"].get("llmdeploy.version") == dropped]

    def row(self, name, command, changes, arguments, when, signals, wanted, words, active):
        drains = when[1] == "committed"
        line, old, new = self.prepare(command, changes, arguments, drains)
        status, said, reached = self.run(line, when, signals)
        now = {"OLD": old, "NEW": new}[active]
        words = words.replace("OLD", old).replace("NEW", new)
        wrong = [] if reached else ["it never came to " + " ".join(when)]
        wrong += [] if status == wanted else ["it ended with %d, not %d" % (status, wanted)]
        wrong += [] if words in said else ["it did not say: " + words]
        wrong += [] if self.w.active() == now else ["active is %s, not %s" % (self.w.active(), now)]
        if "stopped at once" not in words:
            wrong += self.strays(new if active == "OLD" and command == "apply" else None)
        if drains:
            self.client.join()
            wrong += [] if self.answered == [200] else ["the request in flight got %s" % self.answered]
        code, text = self.w.run("recover", "demo")
        wrong += [] if code == 0 else ["recover ended with %d: %s" % (code, text)]
        wrong += self.w.invariants({now})
        self.count += 1
        self.failures += bool(wrong)
        print("%sok %d - %s: %s" % ("not " if wrong else "", self.count, name, "0" if wanted == 0 else "130, '%s' is active" % active.lower()), flush=True)
        for text in wrong + (["output: " + said] if wrong else []):
            print("# " + text.replace("\n", "\n# "), flush=True)


def main():
    program, state = sys.argv[1:]
    os.makedirs(state, exist_ok=True)
    harness = Harness(program, os.path.join(state, "harness"), "host")
    try:
        with open("/bin/true", "rb") as source, open(os.path.join(harness.state, "tiny"), "wb") as out:
            out.write(source.read())
        harness.release()
        harness.new_root()
        signals = Signals(harness)
        for row in ROWS:
            signals.row(*row)
        print("1..%d" % signals.count)
        return 1 if signals.failures else 0
    finally:
        harness.stop()


# Who ends it early finds no Engine and no gateway of it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
