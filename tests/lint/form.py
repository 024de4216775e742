#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The form of C sources: clang-format (.clang-format), and one thing that it cannot: of a chain of calls that may fail, `a(e) || b(e)`,
each stands on a line of its own.

usage: form.py [--fix] FILE...    (below the current folder) names the files that have another form, status 1; --fix: gives them theirs
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

WIDTH = 100
SKIP = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|/\*.*?\*/|//[^\n]*|^[ \t]*#(?:\\\n|[^\n])*', re.S | re.M)
EFFECT = re.compile(r'\b(?:e|&why|&cause|&more)\)+$')


def skips(text):
    """Where strings, comments and lines of the preprocessor stand."""
    inside = bytearray(len(text))
    for m in SKIP.finditer(text):
        inside[m.start():m.end()] = b"\1" * (m.end() - m.start())
    return inside


def column(text, at):
    start = text.rfind("\n", 0, at) + 1
    return len(text[start:at].expandtabs(8))


def indent(columns):
    return "\t" * (columns // 8) + " " * (columns % 8)


def group(text, inside, at):
    """The parenthesis that opens at `at`: where it ends, and its own `||` operators."""
    depth, ors, i = 0, [], at
    while i < len(text):
        if not inside[i]:
            if text[i] in "([{":
                depth += 1
            elif text[i] in ")]}":
                depth -= 1
                if not depth:
                    return i, ors
            elif depth == 1 and text.startswith("||", i):
                ors.append(i)
                i += 1
        i += 1
    return len(text), []


def wrapped(operand, at, tail):
    """An operand from column `at` on, `tail` columns behind it; broken at its own commas where it is too wide."""
    flat = re.sub(r"\s*\n\s*", " ", operand)
    flat = flat.replace("( ", "(")
    if at + len(flat) + tail <= WIDTH or "(" not in flat:
        return flat
    inside, opening = skips(flat), flat.index("(")
    start, depth, pieces = opening + 1, 0, []
    for i, c in enumerate(flat):
        if inside[i]:
            continue
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 1:
            pieces.append(flat[start:i + 1])
            start = i + 2
    pieces.append(flat[start:])
    inner, out, line = at + opening + 1, flat[:opening + 1], at + opening + 1
    for i, p in enumerate(pieces):
        need = len(p) + (tail if i == len(pieces) - 1 else 0)
        if i and line + 1 + need > WIDTH:
            out += "\n" + indent(inner)
            line = inner
        elif i:
            out += " "
            line += 1
        out += p
        line += len(p)
    return out


def chains(text, inside):
    """Where a parenthesis opens that has `||` of its own, in the order of the text."""
    stack, found = [], set()
    for m in re.finditer(r"[()\[\]{}]|\|\|", text):
        if inside[m.start()]:
            continue
        if m.group() in "([{":
            stack.append(m.start())
        elif m.group() == "||":
            if stack and text[stack[-1]] == "(":
                found.add(stack[-1])
        elif stack:
            stack.pop()
    return sorted(found)


def broken(text):
    """Chains of effects, one call a line."""
    done = 0
    while True:
        inside = skips(text)
        changed = False
        for begin in chains(text, inside)[done:]:
            done += 1
            end, ors = group(text, inside, begin)
            parts = [text[a:b].strip() for a, b in zip([begin + 1] + [o + 2 for o in ors], ors + [end])]
            if sum(1 for p in parts if EFFECT.search(p)) < 2 or "/*" in text[begin:end]:
                continue
            col = column(text, begin) + 1
            behind = len(text[end:].split("\n", 1)[0])
            lines = [wrapped(p, col, 3 if i < len(parts) - 1 else behind) for i, p in enumerate(parts)]
            new = text[:begin + 1] + (" ||\n" + indent(col)).join(lines) + text[end:]
            if new != text:
                text, changed = new, True
                break
        if not changed:
            return text


def formed(paths):
    """What clang-format makes of the files, in the end with the chains broken."""
    with tempfile.TemporaryDirectory() as there:
        shutil.copy(".clang-format", there)
        for path in paths:
            os.makedirs(os.path.join(there, os.path.dirname(path)), exist_ok=True)
            shutil.copy(path, os.path.join(there, path))
        halves = [h for h in (paths[0::2], paths[1::2]) if h]
        running = [subprocess.Popen(["clang-format", "-i"] + h, cwd=there) for h in halves]
        if any([p.wait() for p in running]):
            sys.exit("form.py: clang-format failed")
        for path in paths:
            with open(os.path.join(there, path)) as f:
                yield path, broken(f.read())


def main():
    fix = sys.argv[1:2] == ["--fix"]
    bad = 0
    for path, want in formed(sys.argv[1 + fix:]):
        with open(path) as f:
            text = f.read()
        if text == want:
            continue
        bad += 1
        if fix:
            with open(path, "w") as f:
                f.write(want)
        else:
            pairs = enumerate(zip(text.split("\n"), want.split("\n")))
            here = next((i for i, (a, b) in pairs if a != b), 0)
            print("%s:%d: not in its form: make format" % (path, here + 1))
    return bad > 0 and not fix


if __name__ == "__main__":
    sys.exit(main())
