#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A watch that is lost while the previous release does not come up any more: recovery ends, and every command gets out. TAP.

usage: lost.py PROGRAM STATE

r0, r1 and r2 of a route; in the watch of r2, or in the switch back from it, r1 loses its container and its model. On the fake Engine with the
installed HAProxy."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from harness import Harness, digest

EXIT_USAGE, EXIT_RECOVERY, EXIT_KILLED = 2, 12, -9
TRIES = 5


class Lost:
    def __init__(self, harness):
        self.w, self.count, self.failures = harness, 0, 0

    def result(self, name, *wrong):
        wrong = [str(w) for w in wrong if w]
        self.count += 1
        self.failures += bool(wrong)
        print("%sok %d - %s" % ("not " if wrong else "", self.count, name), flush=True)
        for text in wrong:
            print("# " + text.replace("\n", "\n# "), flush=True)

    def command(self, version):
        return ["apply", self.w.lock(version), "--archive", os.path.join(self.w.state, "t", "tiny.tar")]

    def with_model(self, name, *changes):
        """A release whose model no other has. (version, the model's path in the store)"""
        data = b"the model of " + name.encode()
        sha = digest(data)
        path = os.path.join(self.w.root, "store", "sha256", sha[:2], sha)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o444)
        artifact = {"role": "model", "sha256": sha, "size": len(data), "path": "/models/model.gguf", "sources": []}
        return self.w.release("artifacts=" + json.dumps([artifact]), *changes), path

    def lose(self, version, model):
        """Its container, with what it shared, and its model are gone."""
        for c in self.w.our_containers():
            if c["Labels"].get("llmdeploy.version") == version:
                self.w.ask_engine("DELETE", "/v1.41/containers/%s?force=1" % c["Id"])
                shutil.rmtree(os.path.join(self.w.root, "run", c["Labels"]["llmdeploy.lock"][:12]), ignore_errors=True)
        os.unlink(model)

    def events(self):
        path = os.path.join(self.w.root, "routes", "demo", "journal")
        return [json.loads(line[74:]) for line in open(path, "rb").read().splitlines()]

    def in_watch(self, version, fault=None):
        env = dict(self.w.env, **({"LLMDEPLOY_FAULT": fault} if fault else {}))
        p = subprocess.Popen([self.w.program, *self.command(version)], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(1000):
            if p.poll() is not None or self.events()[-1]["event"] == "flipped":
                return p
            time.sleep(0.02)
        return p

    def steps_of_flip(self):
        """How many steps the turn of the link has: a fault in the second turn begins after so many."""
        r, w = os.pipe()
        status, said = self.w.run(*self.command(self.w.release()), fault="log:%d" % w, log=w)
        os.close(w)
        with os.fdopen(r) as f:
            steps = [line for line in f if line.split() == ["release.flip", "before"]]
        return len(steps) if not status else "apply ended with %d: %s" % (status, said)

    def scene(self, strategy, killed):
        """Empty and the versions, or what went wrong."""
        self.w.new_root()
        self.w.put_model()
        steps = self.steps_of_flip()
        if isinstance(steps, str):
            return steps, None
        r0 = "v%04d" % self.w.versions
        r1, model = self.with_model("r1", 'rollout.strategy="%s"' % strategy)
        self.w.must(*self.command(r1))
        r2 = self.w.release("rollout.watch_ms=60000", 'rollout.strategy="%s"' % strategy)
        p = self.in_watch(r2, "release.flip:%s:kill:%d" % (killed, steps + 1 if killed == "before" else 2 * steps) if killed else None)
        if not killed:
            self.lose(r1, model)
        p.send_signal(signal.SIGINT)
        said = p.communicate(timeout=60)[0].decode(errors="replace")
        if killed:
            self.lose(r1, model)
        last = [r["event"] for r in self.events() if r["event"] not in ("drained", "tidied")][-1]
        want = (EXIT_KILLED, "flip_intent") if killed else (EXIT_RECOVERY, "back_intent")
        return [] if (p.returncode, last) == want else "apply ended with %d at '%s': %s" % (p.returncode, last, said), (r0, r1, r2)

    def end_of(self, events):
        """What recovery left: one intent to go back, and how that ended."""
        wrong = ["%d records back_intent" % n for n in [sum(r["event"] == "back_intent" for r in events)] if n != 1]
        failed = [r for r in events if r["event"] == "failed"]
        wrong += [] if len(failed) == 1 and "does not become ready" in failed[0]["reason"] else ["failed: %s" % failed]
        return wrong

    def state(self, active):
        """The route is whole with this release."""
        wrong = ["%s is active" % v for v in [self.w.active()] if v != active]
        wrong += [str(p) for p in self.w.invariants({active}) if "is not in the store as its lock names it" not in p]
        status, said = self.w.run("recover", "demo")
        return wrong + (["recover ended with %d afterwards: %s" % (status, said)] if status else [])

    def recovered(self, name, strategy, killed):
        bad, versions = self.scene(strategy, killed)
        ended, said = [], ""
        while not bad and len(ended) < TRIES + 2 and ended[-1:] != [0]:
            status, said = self.w.run("recover", "demo")
            ended.append(status)
        self.result("%s: recover ends after %d tries, and the active release serves" % (name, TRIES), bad,
                    ended != [EXIT_RECOVERY] * TRIES + [0] and "recover ended with %s" % ended, "stays active" not in said and said,
                    *([] if bad else self.end_of(self.events()) + self.state(versions[2])))

    def way_out(self, name, strategy, killed, out):
        bad, versions = self.scene(strategy, killed)
        if bad:
            return self.result("%s: %s" % (name, out), bad)
        r0, r1, r2 = versions
        r3 = self.w.release()
        words, want, active = {
            "apply": (self.command(r3), 0, r3),
            "rollback": (["rollback", "demo", "--to", r0], 0, r0),
            "abort": (["abort", "demo"], EXIT_USAGE, None if killed == "after" else r2),
            "stop": (["stop", "demo"], 0, None),
            "remove": (["remove", "demo", "--yes"], 0, None),
        }[out]
        status, said = self.w.run(*words)
        wrong = [] if status == want else ["%s ended with %d: %s" % (out, status, said)]
        wrong += self.end_of(self.events())
        if active:
            wrong += self.state(active)
        elif out == "abort":
            wrong += [] if self.w.active() == r1 else ["%s is active" % self.w.active()]
        elif out == "stop":
            wrong += [str(p) for p in self.w.invariants({r1, r2}, stopped=True) if "is not in the store as its lock names it" not in p] + (
                [] if self.w.is_stopped() else ["it is not stopped"])
        else:
            wrong += self.w.removed()
        return self.result("%s: %s gets out with %d" % (name, out, want), *wrong)

    def run(self):
        for strategy, killed in (("blue-green", None), ("blue-green", "before"), ("recreate", None), ("blue-green", "after")):
            name = "%s, %s" % (strategy, "killed %s the turn back of the link" % killed if killed else "the switch back failed")
            if killed != "after":
                self.recovered(name, strategy, killed)
            for out in ("apply", "rollback", "abort", "stop", "remove"):
                self.way_out(name, strategy, killed, out)
        print("1..%d" % self.count)
        return 1 if self.failures else 0


def main():
    program, state = sys.argv[1:]
    os.makedirs(state, exist_ok=True)
    harness = Harness(program, os.path.join(state, "harness"), "host")
    try:
        with open("/bin/true", "rb") as source, open(os.path.join(harness.state, "tiny"), "wb") as out:
            out.write(source.read())
        harness.release()
        return Lost(harness).run()
    finally:
        harness.stop()


# Who ends it early finds no Engine and no gateway of it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
