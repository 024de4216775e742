#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that are connected when a switch reloads HAProxy: their requests are answered by the release that is active then.

usage: kept.py PROGRAM STATE PORT

STATE is of tests/tiny.sh: its root has route "demo" on a real Docker Engine. Prints a TAP line without a number for each
check: "ok - NAME" or "not ok - NAME: REASON"."""
import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.dont_write_bytecode = True
import tiny_release

BODY = json.dumps({"model": "demo", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}).encode()
GATEWAY_UID = 65532


class Site:
    def __init__(self, program, state, port):
        self.program, self.state, self.port = os.path.abspath(program), os.path.abspath(state), int(port)
        self.env = dict(os.environ, LLMDEPLOY_ROOT=os.path.join(self.state, "root"), NO_COLOR="1")
        with open(os.path.join(self.state, "tiny_llm"), "rb") as file:
            self.image = tiny_release.image_of(file.read(), os.path.join(self.state, "t", "tiny.tar"))

    def lock(self, version, queue, **gateway):
        lock = tiny_release.lock_of(self.image, b"a model of few bytes\n", "demo", version, ["--first", "2", "--gap", "2"])
        lock["gateway"] = {"listen": "127.0.0.1:%d" % self.port, "metrics": "127.0.0.1:%d" % (self.port + 1), "engine": {"sequences": 64},
                           "queue": {"length": queue, "timeout_ms": 60000}, **gateway}
        lock["rollout"] |= {"drain_ms": 20000, "previous": "stopped"}
        path = os.path.join(self.state, "t", version + ".lock.json")
        with open(path, "wb") as file:
            file.write(tiny_release.canonical(lock) + b"\n")
        return path

    def begin(self, *words):
        out = open(os.path.join(self.state, "kept.said"), "wb")
        return subprocess.Popen([self.program, *words], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def run(self, *words):
        status = self.begin(*words).wait(120)
        if status:
            with open(os.path.join(self.state, "kept.said"), encoding="utf-8", errors="replace") as file:
                raise RuntimeError("llmdeploy %s ended with %d: %s" % (" ".join(words), status, file.read()))

    def begin_apply(self, *lock, **gateway):
        return self.begin("apply", self.lock(*lock, **gateway))

    def apply(self, *lock, **gateway):
        self.run("apply", self.lock(*lock, **gateway))

    def until_active(self, version):
        for _ in range(1200):
            if os.path.basename(os.readlink(os.path.join(self.env["LLMDEPLOY_ROOT"], "routes/demo/active"))) == version:
                return
            time.sleep(0.05)
        raise RuntimeError("%s did not become active" % version)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)


def begin(c, key=None, half=False):
    c.putrequest("POST", "/v1/chat/completions")
    c.putheader("content-type", "application/json")
    c.putheader("content-length", str(len(BODY)))
    if key:
        c.putheader("authorization", "Bearer " + key)
    c.endheaders(BODY[:20] if half else BODY)


def end(c):
    r = c.getresponse()
    r.read()
    return "%d %s" % (r.status, r.getheader("x-llmdeploy-release", "-"))


def ask(c, key=None):
    try:
        begin(c, key)
        return end(c)
    except (OSError, http.client.HTTPException) as e:
        return "%s: %s" % (type(e).__name__, e)


def check(name, got, want):
    print("ok - " + name if got == want else "not ok - %s: %s, not %s" % (name, got, want), flush=True)


def main():
    site = Site(*sys.argv[1:4])
    site.apply("kept1", 110)
    idle, twice, sending = [site.connect() for _ in range(3)]
    for each in (idle, twice, sending):
        check("a connection's first request", ask(each), "200 kept1")
    began = time.monotonic()
    begin(sending, half=True)
    apply = site.begin_apply("kept2", 120)
    site.until_active("kept2")
    time.sleep(1)
    sending.send(BODY[20:])
    check("a body that arrives after the switch: the release that it was meant for has waited", end(sending), "200 kept1")
    check("the apply", apply.wait(60), 0)
    check("idle through a switch with a reload", ask(idle), "200 kept2")
    site.apply("kept3", 130)
    check("idle through two of them", ask(twice), "200 kept3")
    # The answer above closed nothing early: HAProxy keeps idle connections for 60 s.
    check("all within the time that idle connections are kept", time.monotonic() - began < 55, True)
    upgraded = site.connect()
    check("before an upgrade", ask(upgraded), "200 kept3")
    site.run("gateway", "upgrade", "--force")
    check("idle through an upgrade of the gateway", ask(upgraded), "200 kept3")
    # The gateway's user must be able to reach the file, and a checkout may be below a closed home directory.
    place = tempfile.TemporaryDirectory()
    os.chmod(place.name, 0o755)
    keys = os.path.join(place.name, "keys")
    with open(keys, "w", encoding="utf-8") as file:
        file.write("%s client\n" % hashlib.sha256(b"kept-key").hexdigest())
    os.chmod(keys, 0o600)
    os.chown(keys, GATEWAY_UID, GATEWAY_UID)
    without, within = site.connect(), site.connect()
    check("before keys are asked for", [ask(without), ask(within)], ["200 kept3", "200 kept3"])
    site.apply("kept4", 130, api_keys=keys)
    check("an old connection without a key", ask(without), "401 -")
    check("an old connection with a key", ask(within, "kept-key"), "200 kept4")


main()
