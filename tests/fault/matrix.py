#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every effect of every operation, killed and failed, and what was left when recovery was done. TAP, and a table.

usage: matrix.py PROGRAM ROWS STATE MODEL [--gateway=none|host] [--every] [--only=OPERATION,...] [--engine=SOCKET --tiny=PROGRAM]
       matrix.py --rows ROWS <OUTPUT   what was seen against the rows

With --engine each effect is killed before and after once, in the first operation that has it, on a real Engine, whose model server is PROGRAM.

ROWS is the program of rows.c. Each operation is run once to see which effects it has, and how often. Then each effect is killed
before and after (the first time it happens; with --every each time), and each fault that applies to it is made to happen.
After a kill, recovery is killed too. Then `recover` must succeed, and what design.md says must never be false is looked at in the
root, the Engine and the gateway."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

from harness import Harness, digest, make_manifests, make_packages, make_runtime

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What an operation may end with when one of its effects fails; 2 is a usage error and would be a fault of ours.
ENDS = {0, 1, 5, 6, 7, 8, 9, 10, 11, 12}


class Operation:
    """An operation on a route. prepare returns (words, the versions that may be active afterwards)."""

    gateway = False  # needs one
    back = False  # to the older one
    before = 1  # so often it is done before it is looked at: what is left then is as in each case

    def __init__(self, harness):
        self.w = harness

    def apply_words(self, version):
        return ["apply", self.w.lock(version), "--archive", os.path.join(self.w.state, "t", "tiny.tar")]

    def applied(self, *changes):
        version = self.w.release(*changes)
        self.w.must(*self.apply_words(version))
        return version

    def wanted(self, allowed):
        """Which of them it is for."""
        return (min if self.back else max)(allowed, key=lambda v: v or "")

    def settle(self):
        """After the fault. Problems, or nothing."""
        status, said = self.w.run("recover", "demo")
        return [] if status == 0 else ["recover ended with %d: %s" % (status, said.strip()[-300:])]

    def second_kill(self):
        self.w.run("recover", "demo", fault="any:before:kill:2")

    def look(self, allowed):
        return self.w.invariants(allowed)


class Apply(Operation):
    changes = ()

    def prepare(self):
        version = self.w.release(*self.changes)
        return self.apply_words(version), {self.w.active(), version}


class First(Apply):
    """The first release of a route, in a root that has only the model."""

    before = 0

    def prepare(self):
        self.w.new_root()
        self.words, allowed = Apply.prepare(self)
        return self.words, allowed

    def settle(self):
        status, said = self.w.run("recover", "demo")
        # Nothing was begun, there is no root, or no such route: who comes next finds nothing in the way.
        if status == 2:
            self.w.must(*self.words)
        return [] if status in (0, 2) else ["recover ended with %d: %s" % (status, said.strip()[-300:])]


class Gate(First):
    """The same with a gateway, for what only a new listener needs."""

    gateway = True


class Recreate(Apply):
    gateway = True
    changes = ('rollout.strategy="recreate"',)


class Again(Operation):
    """A release that was active before, and is proved again."""

    back = True

    def prepare(self):
        before = self.w.active()
        version = self.applied()
        return self.apply_words(before), {before, version}


class Rollback(Operation):
    back = True

    def prepare(self):
        before = self.w.active()
        version = self.applied()
        return ["rollback", "demo"], {before, version}


class Reject(Operation):
    """A candidate that answers wrongly."""

    golden = {"name": "g", "cases": [{"id": "a", "severity": "blocker", "messages": [{"role": "user", "content": "x"}], "context": [], "max_tokens": 4,
                                      "seed": 42, "timeout_ms": 5000, "attempts": 1, "assert": [{"kind": "contains", "values": ["no such word"]}]}]}

    def prepare(self):
        version = self.w.release("eval=" + json.dumps({"golden": self.golden}))
        return self.apply_words(version), {self.w.active()}


class Torn(Operation):
    """Recovery of a journal whose last record is torn, beside unfinished files."""

    def prepare(self):
        route = os.path.join(self.w.root, "routes", "demo")
        with open(os.path.join(route, "journal"), "ab") as f:
            f.write(b"0123abcd half a record")
        os.makedirs(os.path.join(route, "releases", ".v9.tmp-4194305"), exist_ok=True)
        return ["recover", "demo"], {self.w.active()}


class Collect(Operation):
    def prepare(self):
        version = self.applied("rollout.keep=1")
        junk = b"nobody needs this %d" % self.w.versions
        path = os.path.join(self.w.root, "store", "sha256", digest(junk)[:2], digest(junk))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(junk)
        os.makedirs(os.path.join(self.w.root, "store", "tmp"), exist_ok=True)
        with open(os.path.join(self.w.root, "store", "tmp", "w-4194305-0"), "wb") as f:
            f.write(junk)
        return ["gc"], {version}

    def settle(self):
        wrong = Operation.settle(self)
        status, said = self.w.run("gc")
        return wrong + ([] if status == 0 else ["gc ended with %d: %s" % (status, said.strip()[-300:])])


class CollectAfter(Apply):
    """The collecting that follows a commit."""

    changes = ("rollout.keep=1",)

    def prepare(self):
        while len(os.listdir(os.path.join(self.w.root, "routes", "demo", "releases"))) < 2:
            self.applied(*self.changes)
        return Apply.prepare(self)


class Canary(Apply):
    """No traffic comes: it is held."""

    gateway = True
    changes = ('rollout.strategy="canary"', 'rollout.canary={"steps":[{"weight_percent":50,"duration_ms":20,"min_requests":5}],"gates":'
               '{"error_rate_percent":5,"against_active":{"error_rate_percent":50,"p95_percent":9000,"ttft_percent":9000}}}')
    ends = {10}

    def prepare(self):
        words, allowed = Apply.prepare(self)
        return words, {self.w.active()}

    def settle(self):
        wrong = Operation.settle(self)
        status, said = self.w.run("abort", "demo")
        return wrong + ([] if status in (0, 2) else ["abort ended with %d: %s" % (status, said.strip()[-300:])])


class Promote(Canary):
    words = ["promote", "demo", "--reason", "the matrix"]

    def prepare(self):
        before = self.applied()  # the one before it runs then, however the last case ended
        version = self.w.release(*self.changes)
        status, said = self.w.run(*self.apply_words(version))
        if status != 10:
            raise RuntimeError("the canary ended with %d: %s" % (status, said))
        return self.words, {before, version}

    ends = {0}


class Abort(Promote):
    words = ["abort", "demo"]

    def prepare(self):
        words, allowed = Promote.prepare(self)
        return words, {self.w.active()}


class Stop(Operation):
    """Either it was stopped, or it serves as before."""

    gateway = True

    def prepare(self):
        self.w.must("start", "demo")
        return ["stop", "demo"], {self.w.active()}

    def look(self, allowed):
        return self.w.invariants(allowed, stopped=self.w.is_stopped())

    def honest(self, status):
        return [] if status or self.w.is_stopped() else ["it ended with 0, and the route is not stopped"]


class Start(Stop):
    def prepare(self):
        self.w.must("stop", "demo")
        return ["start", "demo"], {self.w.active()}

    def honest(self, status):
        return [] if status or not self.w.is_stopped() else ["it ended with 0, and the route is stopped"]


class Remove(Operation):
    gateway = True
    words = ["remove", "demo", "--yes"]

    def prepare(self):
        return self.words, {None, self.w.active() or self.applied()}

    def wanted(self, allowed):
        return None

    def settle(self):
        status, said = self.w.run("recover", "demo")
        # A route that was purged is none.
        gone = status == 2 and not os.path.exists(os.path.join(self.w.root, "routes", "demo"))
        return [] if status == 0 or gone else ["recover ended with %d: %s" % (status, said.strip()[-300:])]

    def look(self, allowed):
        return self.w.invariants(allowed) + ([] if self.w.active() else self.w.removed())

    def honest(self, status):
        return [] if status or not self.w.active() else ["it ended with 0, and a release is active"]


class Purge(Remove):
    words = ["remove", "demo", "--yes", "--purge"]

    def honest(self, status):
        return [] if status or not os.path.exists(os.path.join(self.w.root, "routes", "demo")) else ["it ended with 0, and the route is there"]


class Command(Operation):
    """Not of a route: what was killed is run again, and gives what it would have given."""

    before = 0
    words = []

    def prepare(self):
        self.w.new_root()
        return self.words, set()

    def second_kill(self):
        self.w.run(*self.words, fault="any:before:kill:4")

    def settle(self):
        status, said = self.w.run(*self.words)
        return [] if status == 0 else ["the second run ended with %d: %s" % (status, said.strip()[-300:])]

    def look(self, allowed):
        return self.w.left_over() + self.w.journals() + self.compare()

    def compare(self):
        now = self.result()
        self.first = getattr(self, "first", None) or now
        return [] if now == self.first else ["another result than that of a run that nothing disturbed"]

    def result(self):
        return None


class Build(Command):
    def __init__(self, harness):
        Command.__init__(self, harness)
        self.out = os.path.join(harness.state, "built.lock.json")
        self.words = ["build", os.path.join(harness.state, "build.yaml"), "--output", self.out]

    def prepare(self):
        if os.path.exists(self.out):
            os.unlink(self.out)
        return Command.prepare(self)

    def result(self):
        return open(self.out, "rb").read() if os.path.exists(self.out) else None

    def look(self, allowed):
        wrong = self.w.lists_model("build.yaml")
        # What a killed build left in the store is collected by gc.
        self.w.must("gc")
        return wrong + Command.look(self, allowed)


class Pull(Command):
    def __init__(self, harness):
        Command.__init__(self, harness)
        self.words = ["model", "pull", os.path.join(harness.state, "pull.yaml")]

    def look(self, allowed):
        sha = digest(open(os.path.join(self.w.state, "web", "model.gguf"), "rb").read())
        path = os.path.join(self.w.root, "store", "sha256", sha[:2], sha)
        wrong = [] if os.path.isfile(path) and digest(open(path, "rb").read()) == sha else ["the model is not in the store, or another"]
        wrong += self.w.lists_model("pull.yaml", "fetched for b1")
        self.w.must("gc")
        return wrong + Command.look(self, allowed)


class Lock(Command):
    words = ["runtime", "lock", "tiny"]

    def __init__(self, harness):
        Command.__init__(self, harness)
        self.out = os.path.join(harness.state, "runtimes", "tiny", "packages.lock")

    def result(self):
        # The time of locking is no part of the comparison.
        return re.sub(rb'"(locked|time|date)[a-z_]*": "[^"]*"', b"", open(self.out, "rb").read())

    def look(self, allowed):
        self.w.must("gc")
        wrong = Command.look(self, allowed)
        return wrong + ["left over: " + n for n in os.listdir(os.path.dirname(self.out)) if n not in ("packages.lock", "runtime.yaml")]


class Measure(Command):
    words = ["host", "--measure"]
    alone = {"host.note"}  # the rest of it is in every other operation, and this one takes long


OPERATIONS = {"lock": Lock, "build": Build, "pull": Pull, "first": First, "apply": Apply, "again": Again, "rollback": Rollback, "reject": Reject,
              "recover": Torn, "gc": Collect, "collect": CollectAfter, "canary": Canary, "promote": Promote, "abort": Abort, "recreate": Recreate, "gate": Gate, "measure": Measure, "stop": Stop, "start": Start,
              "remove": Remove, "purge": Purge}


class Matrix:
    def __init__(self, harness, rows, every):
        self.w, self.rows, self.every = harness, rows, every
        self.done = set()  # on a real Engine: effects that were killed
        self.count = self.failures = self.cases = 0
        self.table = []

    def result(self, name, problems):
        self.count += 1
        print("%sok %d - %s" % ("not " if problems else "", self.count, name), flush=True)
        for p in problems:
            print("# " + p.replace("\n", "\n# "), flush=True)
        self.failures += bool(problems)

    def steps(self, op):
        """Which effects the operation has, in order, and how often each."""
        for _ in range(op.before):
            self.w.run(*op.prepare()[0])
            op.settle()
        words, allowed = op.prepare()
        r, w = os.pipe()
        os.set_blocking(r, False)
        try:
            status, said = self.w.run(*words, fault="log:%d" % w, log=w)
        finally:
            os.close(w)
        with os.fdopen(r, "rb") as f:
            seen = [line.split()[0] for line in f.read().decode().splitlines() if line.endswith(" before")]
            # Its end: None where a process that outlives the command (HAProxy) keeps a descriptor of ours.
            kept = f.read() is None
        wanted = getattr(op, "ends", {6} if isinstance(op, Reject) else {0})
        problems = [] if status in wanted else ["undisturbed it ended with %d: %s" % (status, said.strip()[-400:])]
        problems += ["what it started keeps its caller's descriptors open"] if kept else []
        problems += op.settle() + op.look(allowed)
        return {e: seen.count(e) for e in dict.fromkeys(seen)}, problems

    def plans(self, effect, times):
        which = range(1, times + 1) if self.every else [1]
        for n in which:
            yield "%s:before:kill:%d" % (effect, n), True
            yield "%s:after:kill:%d" % (effect, n), True
        if self.w.real:
            return
        for fault in self.rows[effect][0]:
            if fault == "kill":
                yield "%s:during:kill:1" % effect, True
            else:
                yield "%s:during:%s" % (effect, fault), False

    def case(self, op, plan, kills):
        words, allowed = op.prepare()
        status, said = self.w.run(*words, fault=plan)
        problems = []
        # How many pieces a download comes in is not ours to say: its last may be one less the next time.
        if kills and status != -9 and plan.endswith(":1"):
            problems.append("it was not killed, but ended with %d: %s" % (status, said.strip()[-200:]))
        if not kills and status not in ENDS:
            problems.append("it ended with %d: %s" % (status, said.strip()[-300:]))
        if not kills:
            problems += self.honest(op, status, allowed)
        if kills:
            op.second_kill()
        problems += op.settle()
        problems += op.look(allowed)
        end = self.w.active() if allowed else "whole"
        self.cases += 1
        return problems, status, "new" if len(allowed) > 1 and end == op.wanted(allowed) else "old" if allowed else "whole"

    def honest(self, op, status, allowed):
        """The exit status says which release is active, before anybody recovers anything."""
        if hasattr(op, "honest"):
            return op.honest(status)
        if len(allowed) < 2 or status not in (0, 6, 7):
            return []
        is_new = self.w.active() == op.wanted(allowed)
        return [] if is_new == (status == 0) else ["it ended with %d, and %s is active" % (status, self.w.active())]

    def operation(self, name):
        op = OPERATIONS[name](self.w)
        began, busy = time.time(), spent()
        times, problems = self.steps(op)
        self.result("%s, undisturbed: %d effects" % (name, len(times)), problems)
        print("#  seen %s: %s" % (name, " ".join(times)), flush=True)
        if problems:
            return times
        for effect in getattr(op, "alone", times):
            if self.w.real and effect in self.done:
                continue
            self.done.add(effect)
            bad = []
            ends = []
            for plan, kills in self.plans(effect, times[effect]):
                problems, status, end = self.case(op, plan, kills)
                what = plan[len(effect) + 1:]
                self.table.append((name, effect, what, "killed" if kills else "exit %d" % status, end))
                ends.append(end)
                bad += ["%s: %s" % (plan, p) for p in problems]
                if problems:
                    self.repair(op)
            self.result("%s: %s (%s)" % (name, effect, " ".join("%d %s" % (ends.count(e), e) for e in dict.fromkeys(ends))), bad)
        print("# %s took %.1f s, of them %.1f of a core" % (name, time.time() - began, spent() - busy), flush=True)
        return times

    def repair(self, op):
        """So that one failure does not spoil what comes after it."""
        if not isinstance(op, (Command, First)):
            self.w.new_root()
            base(op)

    def print_table(self):
        print("# operation  effect  fault -> how it ended, which release is active after recovery")
        for row in self.table:
            print("# %-9s %-18s %-16s -> %-8s %s" % row)


def spent():
    """Seconds of processors, of this process and those that it waited for."""
    return sum(u.ru_utime + u.ru_stime for u in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))


def base(op):
    for _ in range(2):
        op.applied()


def check_rows(program):
    """From the output of matrices: each effect was seen in the operations that its row names, and has a row at all."""
    seen, ran, bad, count = {}, set(), 0, 0
    for line in sys.stdin:
        m = re.match(r"#  seen (\S+): (.*)", line)
        if m:
            ran.add(m[1])
            for effect in m[2].split():
                seen.setdefault(effect, set()).add(m[1])
    for effect, (_, row) in read_rows(program).items():
        count += 1
        named = set() if row.startswith("-") else set(row.split()) & ran
        problem = "it has no row" if not row else ", ".join(sorted(named - seen.get(effect, set()))) and "not seen in " + ", ".join(
            sorted(named - seen.get(effect, set())))
        if row.startswith("-") and effect in seen:
            problem = "its row says that nothing has it, but it was seen in " + ", ".join(sorted(seen[effect]))
        bad += bool(problem)
        if not named and not row.startswith("-") and row:
            print("# the row of %s names %s: not in this run" % (effect, row))
            continue
        print("%sok - the row of %s%s" % ("not " if problem else "", effect, ": " + problem if problem else ""))
    return 1 if bad or not ran else 0


def read_rows(program):
    rows = {}
    for line in subprocess.run([program], check=True, stdout=subprocess.PIPE).stdout.decode().splitlines():
        name, faults, operations = line.split("\t")
        rows[name] = (faults.split(), operations)
    return rows


def main():
    if sys.argv[1:2] == ["--rows"]:
        return check_rows(sys.argv[2])
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    gateway = "none" if "--gateway=none" in sys.argv else "host"
    only = [a[7:].split(",") for a in sys.argv if a.startswith("--only=")]
    program, rows_program, state, model = args
    rows = read_rows(rows_program)
    said = dict(a[2:].split("=", 1) for a in sys.argv if a.startswith(("--engine=", "--tiny=")))
    harness = Harness(program, state, gateway, said.get("engine"))
    try:
        shutil.copy(said.get("tiny", "/bin/true"), os.path.join(state, "tiny"))
        names = only[0] if only else [n for n in OPERATIONS if gateway != "none" or not OPERATIONS[n].gateway]
        if any(issubclass(OPERATIONS[n], Command) for n in names):
            make_packages(harness)
            make_runtime(harness, REPOSITORY)
            make_manifests(harness, model)
        harness.release()
        harness.new_root()
        matrix = Matrix(harness, rows, "--every" in sys.argv)
        ready = False
        for name in names:
            if not ready and not issubclass(OPERATIONS[name], (Command, First)):
                harness.new_root()
                base(OPERATIONS[name](harness))
                ready = True
            matrix.operation(name)
        matrix.print_table()
        print("1..%d\n# %d cases" % (matrix.count, matrix.cases))
        return 1 if matrix.failures else 0
    finally:
        harness.stop()
        shutil.rmtree(harness.state, ignore_errors=True)


# Who ends it early finds no Engine and no gateway of it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
