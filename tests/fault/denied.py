#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An ordinary user and the root of another: "permission denied", by name, exit 1, and nothing is claimed that was not seen. TAP.

usage: denied.py PROGRAM STATE      as root: each command is run as uid 65534

On the fake Engine with the installed HAProxy, with and without a right to use the Engine."""
import os
import signal
import subprocess
import sys

from harness import Harness

ENGINES = "permission denied: the sockets of root 'ROOT' belong to uid 0, this is uid 65534: run as its owner"
OWNER = "permission denied: root 'ROOT' belongs to uid 0, we are uid 65534: run as its owner, or give --root"
DOCKER = "permission denied: the Docker Engine's socket 'SOCKET'; run as root, or as a member of the group that owns it (usermod -aG docker USER)"
DIRECTORY = "root: cannot open directory 'ROOT': Permission denied"
RUNNING = "unknown: running, permission denied"
# What would be a claim.
NEVER = ("not ready", "busy", "damaged", "does not answer", "no container", "nothing active", "serving", "nowhere", "not running", "everything matches")

# What is allowed: engine: the Engine's socket; root: to look into the root; PATH: all but this below the route.
ROWS = [
    ("engine", "status", 1, [ENGINES, RUNNING]),
    ("engine", "status demo", 1, [ENGINES, RUNNING, "to OLD, warm"]),
    ("engine", "status demo --json", 1, [ENGINES, '"state":"%s"' % RUNNING]),
    ("engine", "verify", 1, [ENGINES]),
    ("engine", "verify demo", 1, [ENGINES]),
    ("engine", "verify demo --fix", 1, [OWNER]),
    ("engine", "ask demo x", 1, [ENGINES]),
    ("engine", "gateway status", 1, [ENGINES]),
    ("engine", "gateway reload", 1, [OWNER]),
    ("engine", "gateway keys list demo", 1, [OWNER]),
    ("engine", "logs demo", 0, []),
    ("engine", "history demo", 0, ["flipped"]),
    ("engine", "releases demo", 0, ["NEW", "rollback target, warm"]),
    ("engine", "model list", 0, ["model of OLD, NEW"]),
    ("engine", "rollback demo", 1, [OWNER]),
    ("engine", "apply LOCK", 1, [OWNER]),
    ("engine", "promote demo --reason x", 1, [OWNER]),
    ("engine", "abort demo", 1, [OWNER]),
    ("engine", "stop demo", 1, [OWNER]),
    ("engine", "start demo", 1, [OWNER]),
    ("engine", "remove demo --yes", 1, [OWNER]),
    ("engine", "recover demo", 1, [OWNER]),
    ("engine", "recover --all", 1, [OWNER]),
    ("engine", "pin demo NEW", 1, [OWNER]),
    ("engine", "unpin demo NEW", 1, [OWNER]),
    ("engine", "gc", 1, [OWNER]),
    ("root", "status", 1, [DOCKER, "unknown: permission denied"]),
    ("root", "status demo", 1, [DOCKER, "unknown: permission denied", "to OLD"]),
    ("root", "verify demo", 1, [ENGINES]),
    ("root", "rollback demo", 1, [OWNER]),
    ("root", "logs demo", 1, [DOCKER]),
    ("root", "releases demo", 0, [DOCKER, "rollback target"]),
    ("root", "history demo", 0, ["flipped"]),
    ("journal", "status demo", 1, ["unknown: permission denied", "journal", "not known"]),
    ("journal", "history demo", 1, ["journal", "Permission denied"]),
    ("journal", "releases demo", 1, ["journal", "Permission denied"]),
    ("releases/NEW/release.lock.json", "status demo", 1, ["unknown: permission denied", "Permission denied"]),
    ("releases/NEW/release.lock.json", "releases demo", 0, ["unknown", "Permission denied"]),
    ("releases/NEW/release.lock.json", "logs demo", 1, [DOCKER]),
    ("releases/OLD/evidence/1.json", "status demo", 1, ["rollback  not known", "Permission denied"]),
    ("", "status demo", 1, ["cannot open directory 'routes/demo'", "Permission denied"]),
    ("", "history demo", 1, ["cannot open directory 'routes/demo'", "Permission denied"]),
    ("nothing", "status", 1, [DIRECTORY]),
    ("nothing", "status demo", 1, [DIRECTORY]),
    ("nothing", "history demo", 1, [DIRECTORY]),
    ("nothing", "rollback demo", 1, [DIRECTORY]),
    ("nothing", "model list", 1, [DIRECTORY]),
]


def as_nobody(harness, words):
    p = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", harness.program, *words], env=dict(harness.env, HOME="/nonexistent"),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return p.returncode, p.stdout.decode(errors="replace")


def allow(harness, what, path, on):
    """Modes for a row, and back."""
    os.chmod(harness.socket, 0o666 if what == "engine" and on else 0o600)
    if what == "nothing":
        os.chmod(harness.root, 0o700 if on else 0o755)
    elif what not in ("engine", "root"):
        target = os.path.join(harness.root, "routes", "demo", path)
        os.chmod(target, (0o700 if on else 0o755) if os.path.isdir(target) else (0o600 if on else 0o644))


def row(harness, names, what, words, status, says):
    def fill(text):
        for name, value in names.items():
            text = text.replace(name, value)
        return text

    allow(harness, what, fill(what), True)
    code, said = as_nobody(harness, [fill(w) for w in words.split()])
    allow(harness, what, fill(what), False)
    wrong = [] if code == status else ["it ended with %d, not %d" % (code, status)]
    wrong += ["it did not say: " + fill(text) for text in says if fill(text) not in said]
    # What an Engine says of containers, and the journal of the past, is seen.
    wrong += ["it claims: " + text for text in NEVER if text in said]
    return wrong + ([said] if wrong else [])


def main():
    program, state = sys.argv[1:]
    os.makedirs(state, exist_ok=True)
    harness = Harness(program, os.path.join(state, "harness"), "host")
    failures = 0
    try:
        with open("/bin/true", "rb") as source, open(os.path.join(harness.state, "tiny"), "wb") as out:
            out.write(source.read())
        versions = []
        harness.release()
        harness.new_root()
        for _ in range(2):
            versions.append(harness.release())
            harness.must("apply", harness.lock(versions[-1]), "--archive", os.path.join(harness.state, "t", "tiny.tar"))
        names = {"ROOT": harness.root, "SOCKET": harness.socket, "LOCK": harness.lock(versions[1]), "OLD": versions[0], "NEW": versions[1]}
        for n, (what, words, status, says) in enumerate(ROWS):
            wrong = row(harness, names, what, words, status, says)
            failures += bool(wrong)
            print("%sok %d - %s, where %s: exit %d" % ("not " if wrong else "", n + 1, words,
                  {"engine": "the Engine may be used", "root": "the root may be read", "nothing": "nothing may be read", "": "the route may not be read"}.get(
                      what, what + " may not be read"), status), flush=True)
            for text in wrong:
                print("# " + text.replace("\n", "\n# "), flush=True)
        wrong = harness.invariants({versions[1]})
        print("%sok %d - nothing was changed by all that" % ("not " if wrong else "", len(ROWS) + 1))
        print("1..%d" % (len(ROWS) + 1))
        return 1 if failures or wrong else 0
    finally:
        harness.stop()


# Who ends it early finds no Engine and no gateway of it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
