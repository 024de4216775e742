#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each command shows, kept as text: NAME-80.txt, NAME-140.txt (a terminal so wide, NO_COLOR), NAME-80-color.txt (colours as {32}), NAME-pipe.txt.

usage: screens.py PROGRAM STATE MODEL [--update]    TAP

The Engine is tests/fake/dockerd.py, the gateway the installed HAProxy. One story is told once for each kind of output, in a root of its own.
Times, digests and ports are replaced by words of the same kind, so that a screen is the same on every machine."""
import ctypes
import difflib
import fcntl
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(REPOSITORY, "tests", "fault"))
from harness import Harness, digest, make_packages, make_runtime  # noqa: E402

KINDS = {"80": (80, False), "140": (140, False), "80-color": (80, True), "140-color": (140, True), "pipe": (0, False)}
LIMIT_S = 60  # of one command
HOST = "host"

GOLDEN = """apiVersion: llmdeploy/v1
kind: GoldenSet
name: answers
cases:
  - {id: says-yes, question: "Say yes.", assert: [{contains: "yes"}]}
  - {id: says-yes-to-everything-that-is-asked, severity: major, question: "Say yes again.", assert: [{contains: "yes"}]}
"""
WRONG_GOLDEN = GOLDEN + """  - {id: names-its-source, question: "When was D-4711 rolled back?", assert: [{contains: "at 14:05 UTC, as runbook RB-101 says"}]}
"""
MANIFEST = """apiVersion: llmdeploy/v1
route: assistant
version: %(version)s
model: {source: "file:%(model)s", sha256: %(sha256)s}
runtime: {name: tiny, backend: cpu, context_tokens: %(context)d, concurrent_sequences: 1}
resources: {device: {memory: %(memory)s, bandwidth: 50GB/s}}
eval: {golden: %(golden)s, latency_p95: 1500ms}
rollout: {%(rollout)s}
gateway: {listen: "%(host)s:%(port)d", metrics: "127.0.0.1:%(metrics)d"%(gateway)s}
"""
WRONG = """apiVersion: llmdeploy/v1
rout: assistant
version: R1
model: {source: "file:m.gguf", sha256: abc}
runtime: {name: llama.cpp, kv_cache: f17}
eval: {golden: nowhere.yaml, latency_p95: soon}
"""


def own_host_name():
    """The screens say who did what, and where: the same host everywhere. For this process and those that it starts."""
    CLONE_NEWUTS = 0x04000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUTS) or libc.sethostname(HOST.encode(), len(HOST)):
        raise OSError(ctypes.get_errno(), "cannot have a host name of its own")


# ---- one command ----

def screen_of(text):
    """What is left on a terminal: a line that moved is what it was last."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rsplit("\r\x1b[K", 1)[-1] for line in lines)


def read_all(fd, pid, until, signals):
    out, deadline = b"", time.time() + LIMIT_S
    while time.time() < deadline:
        try:
            data = os.read(fd, 65536)
        except OSError:  # the terminal's other side is closed
            data = b""
        if not data:
            return out
        out += data
        if until and until in out:
            until = None
            for one in signals:
                os.kill(pid, one)
    os.kill(pid, signal.SIGKILL)
    raise RuntimeError("no end after %d s: %r" % (LIMIT_S, out[-500:]))


def on_terminal(program, words, env, columns, until=None, signals=()):
    pid, fd = pty.fork()
    if not pid:
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
            os.execve(program, [program, *words], env)
        finally:
            os._exit(127)
    out = read_all(fd, pid, until, signals)
    os.close(fd)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status), screen_of(out.decode())


def in_pipe(program, words, env, until=None, signals=()):
    p = subprocess.Popen([program, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = read_all(p.stdout.fileno(), p.pid, until, signals)
    return p.wait(), out.decode()


# ---- what differs from run to run ----

TIME = r"(?:\d+ m \d\d s|\d+(?:\.\d+)? m?s)"


def normal(text, harness):
    text = re.sub(r"\x1b\[(\d+)m", r"{\1}", text)
    text = text.replace(harness.state, "/STATE")
    for port, word in ((harness.port, "PORT1"), (harness.metrics, "PORT2")):
        text = text.replace(str(port), word)
    # An apply's times, which may be wrapped anywhere.
    text = re.sub(r"\(" + TIME + r":[^)]*\)", "(TIMES)", text)
    text = re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-22T17:41:05Z", text)
    text = re.sub(r"(?<= ) *\b" + TIME + r"\b(?! left)", "TIME", text)
    text = re.sub(r"(?<=\()" + TIME + r"\b", "TIME", text)
    text = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d\b", "2026-11-22 17:41", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "0123456789abcdef" * 4, text)
    text = re.sub(r"\b[0-9a-f]{12}(?:[0-9a-f]{4})?\b", lambda m: "0123456789abcdef"[:len(m.group())], text)
    text = re.sub(r"llmdeploy-[0-9a-f]{8}\b", "llmdeploy-01234567", text)
    text = re.sub(r"HAProxy \d[^ ,\n]*", "HAProxy 2.6", text)
    text = re.sub(r"\bpid \d+", "pid 4711", text)
    # They were in the order of their digests, and one of them holds a length.
    text = re.sub(r"\b18\d B", "184 B", text)
    return re.sub(r"(?:^object  .*\n)+", lambda m: "".join(sorted(m.group().splitlines(True))), text, flags=re.M)


class Story:
    """Everything that a person meets, in order; told once for each kind of output."""

    def __init__(self, program, state, model, kind):
        self.kind, self.screens, self.model = kind, {}, os.path.join(state, "model.gguf")
        self.columns, self.color = KINDS[kind]
        self.w = Harness(program, state, "host")
        os.symlink(model, self.model)
        for name, text in (("answers", GOLDEN), ("wrong-answers", WRONG_GOLDEN)):
            self.write(name + ".yaml", text)
        self.write("tiny", "not a program: the fake Engine runs none\n")
        make_packages(self.w)
        make_runtime(self.w, REPOSITORY)
        self.w.new_root()
        self.w.must("runtime", "lock", "tiny")

    def path(self, name):
        return os.path.join(self.w.state, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def manifest(self, version, golden="answers.yaml", context=256, rollout="watch: 1s, drain: 1s", host="127.0.0.1", gateway="", memory="4GB"):
        return self.write(version + ".yaml", MANIFEST % {
            "version": version, "model": self.model, "sha256": digest(open(self.model, "rb").read()), "golden": golden, "context": context,
            "rollout": rollout, "host": host, "memory": memory, "port": self.w.port, "metrics": self.w.metrics, "gateway": gateway})

    def show(self, name, *words, status=0, until=None, signals=(), env=()):
        env = dict(self.w.env, TERM="xterm", **dict(env))
        env.pop("COLUMNS", None)
        if self.color:
            env.pop("NO_COLOR")
        run = (lambda *a: in_pipe(*a)) if not self.columns else (lambda p, w, e, *a: on_terminal(p, w, e, self.columns, *a))
        got, text = run(self.w.program, words, env, until, signals)
        said = "$ llmdeploy %s\n%s" % (" ".join(words), text)
        if got != status:
            raise RuntimeError("%s ended with %d, not %d: %s" % (" ".join(words), got, status, said))
        self.screens[name] = normal(said, self.w)
        if name.startswith("verify-"):  # HAProxy may have seen by now that the container died
            text_of = re.sub(r"^(assistant +|      )?gateway\b.*\n", "", self.screens[name], flags=re.M)
            self.screens[name] = re.sub(r"\b2 differences", "1 difference", text_of)
        return text

    def tell(self):
        try:
            self.first_steps()
            self.releases()
            self.looking()
            self.troubles()
            self.the_end()
        finally:
            self.w.stop()
        return self.screens

    def first_steps(self):
        fresh = {"LLMDEPLOY_ROOT": self.path("fresh")}
        self.show("help", "help")
        self.show("help-apply", "help", "apply")
        self.show("no-command", "list", status=2)
        self.show("no-file", "apply", "/nope.yaml", status=2)
        self.show("status-fresh", "status", env=fresh)
        self.show("no-root", "rollback", "assistant", status=2, env=fresh)
        os.mkdir(self.path("app"))
        self.show("init", "init", self.path("app/first"))
        r1 = self.manifest("r1")
        self.show("validate", "validate", r1, self.path("answers.yaml"))
        self.show("validate-wrong", "validate", self.write("wrong.yaml", WRONG), status=3)
        self.show("validate-open", "validate", self.manifest("open", host="0.0.0.0"))
        self.show("plan-first", "plan", r1)
        self.show("plan-refused", "plan", self.manifest("large", memory="30MB"), status=4)
        self.show("build", "build", r1, "--output", self.path("r1.lock.json"))
        self.show("build-again", "build", r1, "--output", self.path("r1.lock.json"))

    def releases(self):
        self.show("apply-first", "apply", self.path("r1.yaml"))
        self.show("apply-again", "apply", self.path("r1.yaml"))
        r2 = self.manifest("r2", context=512, gateway=", queue: {length: 3}")
        self.show("plan-changes", "plan", r2)
        self.show("apply-dry-run", "apply", "--dry-run", self.path("r1.lock.json"))
        self.show("apply", "apply", r2)
        self.show("apply-rejected", "apply", self.manifest("r3", golden="wrong-answers.yaml"), status=6)
        self.show("apply-other-content", "apply", self.manifest("r2", context=1024), status=3)

    def looking(self):
        self.show("status", "status")
        self.try_it(self.show("status-route", "status", "assistant"))
        self.goes_on("history", "--follow", during=("pin", "assistant", "r1"), shows=b"pinned")
        self.goes_on("status", "--watch", during=("unpin", "assistant", "r1"), shows=b"serving")
        self.show("logs-follow", "logs", "assistant", "--follow")
        self.show("releases", "releases", "assistant")
        self.show("history", "history", "assistant", "--tail", "6")
        self.show("gateway-status", "gateway", "status")
        self.show("ask", "ask", "assistant", "Say yes.")
        self.show("model-list", "model", "list")
        self.show("model-show", "model", "show", self.model)
        self.show("runtime-list", "runtime", "list")
        self.show("runtime-show", "runtime", "show", "tiny")
        self.show("verify", "verify", "assistant")
        self.show("eval", "eval", self.path("wrong-answers.yaml"), "--endpoint", "unix:" + self.socket(), status=6)
        self.show("gc", "gc")
        self.show("no-route", "status", "nope", status=2)

    def try_it(self, text):
        """The command line that is shown works as it is."""
        text = re.sub(r"\x1b\[\d+m", "", text)
        command = text[text.index("try it") + len("try it"):text.index("rollback  ")]
        p = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_S)
        if p.returncode or b"yes" not in p.stdout:
            raise RuntimeError("%r answers %r, %r" % (command, p.stdout, p.stderr))

    def goes_on(self, command, option, during, shows):
        """What comes meanwhile is shown, and Ctrl-C is its good end."""
        p = subprocess.Popen([self.w.program, command, "assistant", option], env=self.w.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        seen = [p.stdout.readline()]
        self.w.must(*during)
        while seen[-1] and shows not in b"".join(seen[1:]):
            seen.append(p.stdout.readline())
        p.send_signal(signal.SIGINT)
        p.stdout.read()
        if p.wait(LIMIT_S) or not seen[-1]:
            raise RuntimeError("%s %s ended with %d after %r" % (command, option, p.returncode, seen))

    def socket(self):
        name = os.path.basename(os.readlink(os.path.join(self.w.root, "routes", "assistant", "active")))
        lock = open(os.path.join(self.w.root, "routes", "assistant", "releases", name, "release.lock.json"), "rb").read()
        return os.path.join(self.w.root, "run", digest(lock)[:12], "engine.sock")

    def troubles(self):
        self.show("rollback", "rollback", "assistant")
        self.show("rollback-again", "rollback", "assistant", status=2)
        slow = self.w.release('eval=%s' % SLOW, 'gateway={"listen":"127.0.0.1:%d","metrics":"127.0.0.1:%d"}' % (self.w.port, self.w.metrics),
                              route="assistant", arguments=("--answer-ms", "1200"))
        self.w.put_model()
        words = ("apply", self.w.lock(slow), "--archive", self.path("t/tiny.tar"))
        self.show("apply-interrupted", *words, status=130, until=b"says-yes ", signals=[signal.SIGINT])
        for c in self.w.our_containers():
            if c["State"] == "running":
                self.w.ask_engine("POST", "/v1.41/containers/%s/kill" % c["Id"])
        self.show("verify-drift", "verify", "assistant", status=11)
        self.show("verify-fix", "verify", "assistant", "--fix")
        self.show("stop", "stop", "assistant")
        self.show("status-stopped", "status", "assistant")
        self.show("start", "start", "assistant")

    def the_end(self):
        """Docker goes, and is not there any more for what comes after."""
        socket = self.w.socket
        self.w.env["DOCKER_HOST"] = "unix://" + self.path("gone.sock")
        self.show("apply-without-docker", "apply", self.path("r1.yaml"), status=9)
        self.show("status-without-docker", "status", "assistant")
        self.w.env["DOCKER_HOST"] = "unix://" + socket
        self.show("remove", "remove", "assistant", "--yes")
        self.show("status-removed", "status")


SLOW = ('{"golden":{"name":"slow","sources":{},"cases":[' + ",".join(
    '{"assert":[{"kind":"contains","values":["yes"]}],"attempts":1,"context":[],"id":"%s","max_tokens":16,"messages":[{"role":"user","content":'
    '"x"}],"seed":7,"severity":"blocker","timeout_ms":9000}' % i for i in ("says-yes", "says-it-again", "and-again")) + "]}}")


# ---- what is kept against what was shown ----

def compare(name, text, update):
    path = os.path.join(HERE, "kept", name + ".txt")
    if update:
        with open(path, "w") as f:
            f.write(text)
    kept = open(path).read() if os.path.exists(path) else ""
    return list(difflib.unified_diff(kept.splitlines(), text.splitlines(), "kept/%s.txt" % name, "shown", lineterm=""))


def too_wide(screens, columns):
    """No line of a terminal is left to be broken by it; a command to copy is never wrapped."""
    return ["%s: %s" % (name, line) for name, text in screens.items() for line in text.split("\n")[1:]
            if len(line) > columns and "curl" not in line and "-d '{" not in line]


def without_color(text):
    return re.sub(r"\{\d+\}", "", text)


def main(program, state, model, *rest):
    own_host_name()
    update, number, failed = "--update" in rest, 0, False
    told = {}
    for kind in KINDS:
        told[kind] = Story(program, os.path.join(state, kind.ljust(9, "_")), model, kind).tell()
    results = []
    for kind in ("80", "140", "80-color", "pipe"):
        results += [("%s-%s" % (name, kind), compare("%s-%s" % (name, kind), text, update)) for name, text in told[kind].items()]
    for width in ("80", "140"):
        results.append(("nothing is wider than %s columns" % width, too_wide(told[width], int(width))))
        other = [name for name, text in told[width].items() if without_color(told[width + "-color"][name]) != text]
        results.append(("colour changes nothing else at %s columns" % width, other))
    colored = [name for name, text in told["80-color"].items() if "{32}ok{0}" in text]
    results.append(("there is colour", [] if colored else ["none"]))
    plain = [name for kind in ("80", "140", "pipe") for name, text in told[kind].items() if re.search(r"\x1b|\{\d+\}", text)]
    results.append(("and none with NO_COLOR or in a pipe", plain))
    for name, problems in results:
        number += 1
        failed |= bool(problems)
        print("%sok %d - %s" % ("not " if problems else "", number, name))
        for line in problems[:60]:
            print("# " + line)
    print("1..%d" % number)
    sys.exit(failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
