#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills llmdeploy (kill -9) at random instants of applies and rollbacks of one route, under whatever traffic there is.

usage: kills.py PROGRAM STATE PORT KILLS SEED

STATE is of tests/tiny.sh: its root has route "demo" on a real Engine. After each kill `recover` must end with 0 (one time in four it is
killed, too, and done again), and then, by looking at disk, Engine and HAProxy: the old release or the new one is active, whole and answering; nothing is left
but what is named. Adds a line to STATE/kills each: "killed" or "ended" (before it was killed), "old" or "new", what it was,
after how many ms. Ends with 1 and the reason at the first that is not so."""
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "fault"), os.path.join(os.path.dirname(HERE), "integration")]
sys.dont_write_bytecode = True
import tiny_release
from harness import UnixHTTP, Harness, digest

ROUTE, LAST_OLD = "demo", 3


class Wrong(Exception):
    pass


class Killed(Harness):
    """What Harness looks at, in a root on a real Engine that others use, too."""

    def __init__(self, program, state, port):
        self.program, self.state, self.port, self.gateway = os.path.abspath(program), os.path.abspath(state), port, "docker"
        self.root, self.real, self.engine = os.path.join(self.state, "root"), True, None
        self.socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")[len("unix://"):]
        self.env = dict(os.environ, LLMDEPLOY_ROOT=self.root, NO_COLOR="1")
        with open(os.path.join(self.root, "root-id"), encoding="utf-8") as file:
            self.id = file.read().strip()
        with open(os.path.join(self.state, "tiny_llm"), "rb") as file:
            self.image = tiny_release.image_of(file.read(), os.path.join(self.state, "t", "tiny.tar"))
        os.chdir(self.root)  # a socket's path is short

    def ask_engine(self, method, path):
        found = Harness.ask_engine(self, method, path)
        return [c for c in found or [] if (c["Labels"] or {}).get("llmdeploy.root") == self.id]

    def put_lock(self, version, previous, door):
        """Another door is one that HAProxy learns by a reload."""
        lock = tiny_release.lock_of(self.image, b"a model of few bytes\n", ROUTE, version, ["--first", "2", "--gap", "2"])
        lock["gateway"] = {"listen": "127.0.0.1:%d" % self.port, "metrics": "127.0.0.1:%d" % (self.port + 1), "engine": {"sequences": 64},
                           "queue": {"length": door, "timeout_ms": 60000}}
        lock["rollout"] |= {"drain_ms": 10000, "previous": previous}
        path = os.path.join(self.state, "t", version + ".lock.json")
        with open(path, "wb") as file:
            file.write(tiny_release.canonical(lock) + b"\n")
        return path

    def left_over(self):
        """Of the store only what is unfinished there."""
        wrong = ["left over: " + name for name in os.listdir("store/tmp")]
        for top in ("gateway", "routes", "run", "."):
            for where, dirs, files in os.walk(top):
                wrong += ["left over: " + os.path.join(where, name) for name in dirs + files if ".tmp-" in name]
                if top == ".":
                    break
        return wrong

    def servers(self):
        """HAProxy's own word on the two servers: which is up, and where its link leads."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(10)
        s.connect("gateway/admin.sock")
        s.sendall(b"show stat r:%s 4 -1\n" % ROUTE.encode())
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        s.close()
        rows = [line.split(",") for line in text.strip().splitlines()]
        at = {name.strip("# "): i for i, name in enumerate(rows[0])}
        return {row[at["svname"]]: row[at["status"]] for row in rows[1:] if row[at["svname"]] in ("a", "b")}

    def seats(self, now):
        with open("routes/%s/releases/%s/release.lock.json" % (ROUTE, now), "rb") as file:
            active = digest(file.read())[:12]
        with open("gateway/state", "rb") as file:
            state = next(r for r in json.load(file)["routes"] if r["name"] == ROUTE)
        wrong = []
        for name, status in self.servers().items():
            link = os.path.join("run/routes", ROUTE, name + ".sock")
            to = os.readlink(link).split("/")[2] if os.path.islink(link) else ""
            if to != state[name]["id"]:
                wrong.append("%s leads to '%s', the gateway's state says '%s'" % (link, to, state[name]["id"]))
            if status.split()[0] != ("UP" if to == active else "MAINT"):
                wrong.append("server %s of '%s' is %s, '%s' is active" % (name, to, status, active))
        return wrong

    def look(self, allowed):
        now = self.active()
        wrong = self.invariants(allowed)
        return wrong + (self.seats(now) if now in allowed else [])


def stray(problem):
    return "has no container" in problem or "store/tmp" in problem


class Kills:
    def __init__(self, harness, seed):
        self.w, self.random, self.n = harness, random.Random(seed), 0
        self.span_ms, self.switched = {}, False
        self.said = ""

    def run(self, *words):
        status, self.said = self.w.run(*words, timeout=120)
        if status:
            raise Wrong("llmdeploy %s ended with %d" % (" ".join(words), status))

    def begin(self):
        """The next command: its words, and the versions that may be active afterwards."""
        self.n += 1
        old = self.w.active()
        if self.n > LAST_OLD and self.random.random() < 0.25:
            return "rollback", ["rollback", ROUTE], set(os.listdir("routes/%s/releases" % ROUTE))
        version = "k%d" % self.n
        lock = self.w.put_lock(version, self.random.choice(["warm", "stopped"]), self.random.choice([100] * 4 + [200]))
        return "apply", ["apply", lock], {old, version}

    def kill_at(self, words, ms):
        """Its status: -9 where it was killed."""
        with open(os.path.join(self.w.state, "killed"), "wb") as out:
            p = subprocess.Popen([self.w.program, *words], env=self.w.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            return p.wait(ms / 1000)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            return p.wait()

    def measured(self, kind, words):
        """What one takes that is not killed, so that kills fall everywhere in it."""
        began = time.monotonic()
        self.run(*words)
        self.span_ms[kind] = 1000 * (time.monotonic() - began)

    def instant(self, kind):
        """Anywhere in it; and as the machine may be slower now than when it was measured, one time in three rather late than early, and always until one came after a switch."""
        late = self.random.random() < 0.33 or (self.n > 12 and not self.switched)
        part = self.random.uniform(0.6, 1.6) if late else self.random.uniform(0, 1)
        return part * self.span_ms[kind]

    def recover(self):
        if self.random.random() < 0.25:
            self.kill_at(["recover", ROUTE], self.random.uniform(0, 800))
        self.run("recover", ROUTE)

    def check(self, allowed):
        """What a killed collecting left, and nobody needs, goes with the next one."""
        wrong = self.w.look(allowed)
        if wrong and all(stray(p) for p in wrong):
            self.run("gc")
            wrong = self.w.look(allowed)
        if wrong:
            raise Wrong("not whole: " + "; ".join(wrong))

    def one(self):
        """True: it was killed before it ended."""
        kind, words, allowed = self.begin()
        old = self.w.active()
        if kind not in self.span_ms or (self.n % 20 == 0 and kind == "apply"):
            self.measured(kind, words)
            return False
        at = self.instant(kind)
        killed = self.kill_at(words, at) == -signal.SIGKILL
        self.recover()
        self.check(allowed)
        self.switched = self.switched or (killed and self.w.active() != old)
        with open(os.path.join(self.w.state, "kills"), "a", encoding="utf-8") as file:
            file.write("%s %s %s %.0f\n" % ("killed" if killed else "ended", "old" if self.w.active() == old else "new", kind, at))
        return killed


def main():
    program, state, port, kills, seed = sys.argv[1:6]
    k = Kills(Killed(program, state, int(port)), int(seed))
    done = 0
    try:
        while done < int(kills):
            if k.n > 3 * int(kills) + 10:
                raise Wrong("only %d of %d were killed before they ended" % (done, k.n))
            done += k.one()
    except (Wrong, OSError, subprocess.TimeoutExpired, http.client.HTTPException, StopIteration) as e:
        print("kill %d (SEED=%s) of %s: %s" % (k.n, seed, state, e), file=sys.stderr)
        with open(os.path.join(k.w.state, "killed"), encoding="utf-8", errors="replace") as file:
            print(file.read() + k.said, file=sys.stderr)
        sys.exit(1)


main()
