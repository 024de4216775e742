#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: yaml_compare.py PROGRAM COUNT [SEED]     COUNT generated files, read by us and by ruamel.yaml (YAML 1.2)

The tree must be the same: kinds, order, text of each scalar, whether it stood in quotes or in a block. What we refuse by its name
(anchors, tags, a key twice, ...) must be in the file, as ruamel sees it. Prints the numbers; exit 1 where one file differs."""
import random
import sys

from reader import ask
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (AliasEvent, DocumentStartEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent,
                                SequenceStartEvent)

NULLS = {"", "~", "null", "Null", "NULL"}
# A part of our message for each thing that we do not take.
NAMES = {"anchor": "anchors and aliases are not", "tag": "tags like", "merge": "merge keys", "twice": "duplicate key",
         "documents": "a second document", "directive": "directives", "key": "a key must be text", "empty": "empty file",
         "deep": "nested more than 64", "mark": "a byte order mark", "break": "a line separator of Unicode",
         "nul": "a character that has no place"}
# What we may refuse, and take as ruamel does where we do not.
MAY = {"tabbed": "a text block cannot begin with a tab", "colon": "a text with a ':' at its begin or end needs quotes"}


# --- generator ---

WORDS = ["a", "b1", "word", "two words", "it's", "x:y", "a#b", "-1", "14:05", "no", "null", "~", "0x1f", "1.5", "é", "€", "\U0001f600", "http://h/p?q=1&r",
         "[x]", "{y}", "a, b", "*star", "&and", "!bang", "%per", "@at", "`tick", "|", ">", "-", "?", ":", "- x", "? y", "k: v", "a #c", "#c", "'q'", '"dq"',
         "\\n", "a\\", "---", "...", "--- x", "<<", "=", "trail ", " lead", "a  b", "tab\tin", "x ", "\u00a0", "\u200b", "\u3000", "."]
KEYS = ["a", "b", "c", "key", "two words", "'q'", '"dq"', "é", "k-1", "k.2", "1", "true", "url:x"]


def text_line(rnd):
    return " ".join(rnd.choice(WORDS) for _ in range(rnd.choice([1, 1, 2, 3])))


def plain(rnd, indent, multi=True):
    safe = ["a", "b1", "word", "two words", "it's", "x:y", "a#b", "-1", "14:05", "no", "null", "~", "0x1f", "é", "€", "\U0001f600", "a, b"[0:1], ".", "?x", ":x", "-x"]
    lines = [" ".join(rnd.choice(safe) for _ in range(rnd.choice([1, 2, 3]))) for _ in range(rnd.choice([1, 1, 1, 2, 3]) if multi else 1)]
    out = lines[0]
    for line in lines[1:]:
        out += rnd.choice(["", " ", "  "]) + "\n" + rnd.choice(["", "", "\n", "  \n", "\n\n"]) + " " * (indent + rnd.choice([1, 2, 4])) + line
    return out


def single(rnd, indent, multi=True):
    out = ""
    for _ in range(rnd.choice([0, 1, 2, 4])):
        kind = rnd.random()
        if kind < 0.7 or not multi:
            out += rnd.choice(WORDS).replace("'", "''")
        elif kind < 0.8:
            out += "''"
        else:
            out += rnd.choice(["", " ", "  ", "\t"]) + "\n" + rnd.choice(["", "\n", "   \n", "\n\n"]) + " " * (indent + rnd.choice([1, 2, 5]))
    return "'" + out + "'"


def double(rnd, indent, multi=True):
    out = ""
    for _ in range(rnd.choice([0, 1, 2, 4, 6])):
        kind = rnd.random()
        if kind < 0.45 or (not multi and kind > 0.75):
            out += rnd.choice(WORDS).replace("\\", "\\\\").replace('"', '\\"')
        elif kind < 0.75:
            out += rnd.choice(["\\n", "\\t", "\\\\", '\\"', "\\/", "\\ ", "\\a", "\\b", "\\e", "\\f", "\\r", "\\v", "\\_", "\\N", "\\L", "\\P", "\\x41",
                               "\\u20ac", "\\U0001F600", "\\x7f", "\\\t"])
        elif kind < 0.88:
            out += "\\\n" + rnd.choice(["", "\n", "  \n"]) + " " * (indent + rnd.choice([1, 2, 5])) + rnd.choice(["", "\\ "])
        else:
            out += rnd.choice(["", " ", "  ", "\t", "\\ ", "\\t "]) + "\n" + rnd.choice(["", "\n", "   \n", "\n\n"]) + " " * (indent + rnd.choice([1, 2, 5]))
    return '"' + out + '"'


def block(rnd, indent):
    """From the header on; `indent` is that of the parent, -1 at the top."""
    deep = max(indent, 0) + rnd.choice([1, 2, 2, 4])
    header = rnd.choice("|>")
    marks = [rnd.choice(["", "", "+", "-"])]
    if rnd.random() < 0.3:
        marks.append(str(deep - max(indent, 0)) if rnd.random() < 0.9 else rnd.choice("0123456789"))
    rnd.shuffle(marks)
    header += "".join(marks) + rnd.choice(["", "", " ", " # c", "  #", "#x"][:5 if rnd.random() < 0.95 else 6])
    out = header + "\n"
    for _ in range(rnd.choice([0, 1, 2, 3, 5])):
        kind = rnd.random()
        if kind < 0.25:
            out += rnd.choice(["", " ", " " * deep, " " * (deep + 1), "\t"][:4 if rnd.random() < 0.97 else 5]) + "\n"
        elif kind < 0.85:
            out += " " * deep + text_line(rnd) + "\n"
        elif kind < 0.95:
            out += " " * (deep + rnd.choice([1, 2, 3])) + text_line(rnd) + "\n"
        elif kind < 0.98:
            out += " " * deep + "\t" + text_line(rnd) + "\n"
        else:
            out += " " * max(deep - 1, 0) + text_line(rnd) + "\n"
    if rnd.random() < 0.2:
        out = out[:-1] + "\n" * rnd.choice([0, 2, 3])
    return out if out.endswith("\n") else out + "\n"


def flow(rnd, indent, depth):
    n = rnd.choice([0, 1, 2, 3])

    def gap():
        return rnd.choice(["", "", " ", "  ", "\n" + " " * (indent + 1), " # c\n" + " " * (indent + 2), "\t"])

    def leaf():
        if depth > 0 and rnd.random() < 0.3:
            return flow(rnd, indent, depth - 1)
        return rnd.choice([lambda: rnd.choice(["a", "b c", "1", "~", "", "x:y", "http://h/p", "-1", "é", "a#b"]), lambda: single(rnd, indent),
                           lambda: double(rnd, indent), lambda: plain(rnd, indent)])()
    if rnd.random() < 0.5:
        body = ",".join(gap() + leaf() + gap() for _ in range(n)) + rnd.choice(["", "", ",", ", "] if n else [""])
        return "[" + body + "]"
    pairs = []
    for i in range(n):
        key = rnd.choice(["k%d" % i, '"k%d"' % i, "'k%d'" % i, "k %d" % i, "? k%d " % i])
        pairs.append(gap() + key + rnd.choice([": ", ":", ":  ", ":\n" + " " * (indent + 2), " : "]) + leaf() + gap())
    return "{" + ",".join(pairs) + rnd.choice(["", "", ","] if n else [""]) + "}"


def scalar(rnd, indent, depth):
    """A value behind "key:" or "-", with its line's end."""
    kind = rnd.random()
    if kind < 0.3:
        return " " + plain(rnd, indent) + ending(rnd)
    if kind < 0.42:
        return " " + single(rnd, indent) + ending(rnd)
    if kind < 0.58:
        return " " + double(rnd, indent) + ending(rnd)
    if kind < 0.84:
        return " " + block(rnd, indent)
    if kind < 0.94:
        return " " + flow(rnd, indent, 2) + ending(rnd)
    return rnd.choice(["", " ", " # c", " ~"]) + "\n"


def ending(rnd):
    return rnd.choice(["", "", "", " ", " # comment", "  #", " #: x", "\t# tab"][:7 if rnd.random() < 0.97 else 8]) + "\n" + \
        rnd.choice(["", "", "", "", "\n", "# whole line\n", "   # deeper\n", "  \n"])


def node(rnd, indent, depth):
    """A block collection whose entries stand at `indent`."""
    pad, out = " " * indent, ""
    n = rnd.choice([1, 2, 2, 3, 4])
    if rnd.random() < 0.35:
        for _ in range(n):
            out += pad + "-"
            kind = rnd.random()
            if depth > 0 and kind < 0.25:
                wide = rnd.choice([1, 1, 3])
                out += " " * wide + node(rnd, indent + 1 + wide, depth - 1)[indent + 1 + wide:]
            elif depth > 0 and kind < 0.35:
                out += "\n" + node(rnd, indent + rnd.choice([1, 2, 4]), depth - 1)
            else:
                out += scalar(rnd, indent, depth)
        return out
    keys = rnd.sample(KEYS, n)
    if rnd.random() < 0.01:
        keys[-1] = keys[0]
    for key in keys:
        out += pad + (("? " + key + "\n" + pad) if rnd.random() < 0.02 else key) + rnd.choice([":", ":", ":", " :"])
        kind = rnd.random()
        if depth > 0 and kind < 0.3:
            out += rnd.choice(["", "", " # c", " "]) + "\n" + rnd.choice(["", "\n"]) + node(rnd, indent + rnd.choice([1, 2, 4]), depth - 1)
        elif depth > 0 and kind < 0.36:
            sub = " " * indent + "- " + text_line(rnd).replace(":", "").replace("#", "") + "\n"
            out += "\n" + sub
        else:
            out += scalar(rnd, indent, depth)
    return out


TOKENS = [" ", "  ", "\n", "\n\n", "\n ", "\t", ":", ": ", " :", "- ", "-", "? ", "#", " #", "'", '"', "|", ">", "|\n", ">-\n", "|2\n", "[", "]", "{", "}", ",", "&a ",
          "*a", "!t ", "!!str ", "%", "@", "`", "\\", "\r", "\r\n", "---\n", "...\n", "--- ", "<<: x\n", "~", "null", "\ufeff", "\u0085", "\u2028", "\u2029", "\x7f",
          "\x07", "\u00a0", "x", "0", "''", '""', "\\\n", "=", "a: ", "\ud7ff", "\ue000", "\ufffd", "\U0010ffff"]


def mutate(rnd, text):
    for _ in range(rnd.choice([1, 1, 1, 2, 3])):
        at, kind = rnd.randrange(len(text) + 1), rnd.random()
        if kind < 0.5:
            text = text[:at] + rnd.choice(TOKENS) + text[at:]
        elif kind < 0.7:
            text = text[:at] + text[at + rnd.choice([1, 1, 2, 5]):]
        elif kind < 0.85:
            text = text[:at] + rnd.choice(TOKENS) + text[at + 1:]
        elif kind < 0.9:
            text = text[:at]
        else:
            lines = text.split("\n")
            i = rnd.randrange(len(lines))
            lines[i] = rnd.choice([" " + lines[i], lines[i][1:], "", lines[i] + " ", lines[rnd.randrange(len(lines))]])
            text = "\n".join(lines)
    return text


def gen_file(rnd):
    kind = rnd.random()
    if kind < 0.05:
        text = "".join(rnd.choice(TOKENS + WORDS) for _ in range(rnd.randrange(1, 9)))
    elif kind < 0.12:
        text = rnd.choice([lambda: plain(rnd, -1), lambda: single(rnd, -1), lambda: double(rnd, -1), lambda: block(rnd, -1), lambda: flow(rnd, -1, 3)])()
    else:
        text = node(rnd, 0, 3)
    if rnd.random() < 0.1:
        text = rnd.choice(["---\n", "--- # c\n", "# head\n", "\n", "\ufeff", "---\n\n"]) + text
    if rnd.random() < 0.05:
        text = text.rstrip("\n") + rnd.choice(["", "\n...\n", "\n---\n", "\n# end", "\n..."])
    if rnd.random() < 0.4:
        text = mutate(rnd, text)
    if rnd.random() < 0.06:
        text = text.replace("\n", rnd.choice(["\r\n", "\r\n", "\r"]))
    return text


# --- what ruamel makes of it ---

class Builder:
    def __init__(self, text):
        self.names, self.may = set(), set()
        self.flow = 0
        self.roots = []
        self.events = YAML(typ="safe", pure=True).parse(text)
        for e in self.events:
            if isinstance(e, DocumentStartEvent):
                if e.version or e.tags:
                    self.names.add("directive")
                self.roots.append(self.node(next(self.events), 1))
        if len(self.roots) > 1:
            self.names.add("documents")
        if not self.roots or self.roots[0] is None:
            self.names.add("empty")

    def node(self, e, depth):
        if isinstance(e, AliasEvent):
            self.names.add("anchor")
            return None
        if e.anchor:
            self.names.add("anchor")
        if e.tag:
            self.names.add("tag")
        if isinstance(e, ScalarEvent):
            if "\x00" in e.value or any(0xd800 <= ord(c) < 0xe000 for c in e.value):
                self.names.add("nul")
            if e.style and e.style in "|>" and depth == 1:
                self.names.add("block")
            if e.style and e.style in "|>" and e.value.lstrip("\n").startswith("\t"):
                self.may.add("tabbed")
            if self.flow and not e.style and ":" in e.value:
                self.may.add("colon")
            if not e.style and e.value in NULLS:
                return None
            return ["quoted" if e.style else "plain", e.value]
        if depth > 64:
            self.names.add("deep")
        self.flow += bool(e.flow_style)
        out = self.mapping(depth) if isinstance(e, MappingStartEvent) else self.sequence(depth)
        self.flow -= bool(e.flow_style)
        return out

    def sequence(self, depth):
        out = ["list"]
        for e in self.events:
            if isinstance(e, SequenceEndEvent):
                return out
            out.append(self.node(e, depth + 1))

    def mapping(self, depth):
        out, seen = ["map"], set()
        for e in self.events:
            if isinstance(e, MappingEndEvent):
                return out
            key = self.node(e, depth + 1)
            if key is None or key[0] not in ("plain", "quoted"):
                self.names.add("key")
            else:
                if key == ["plain", "<<"]:
                    self.names.add("merge")
                elif key[1] in seen:
                    self.names.add("twice")
                seen.add(key[1])
            out += [key, self.node(next(self.events), depth + 1)]


def expected(text):
    """(verdict, tree or names, what we may refuse of it): "ok", "bad", "refused"."""
    names = set()
    if any(c in text for c in "\u0085\u2028\u2029"):
        names.add("break")
    if "\ufeff" in text[1:]:
        names.add("mark")
    if names:
        return "refused", names, set()
    try:
        b = Builder(text)
    except (YAMLError, MarkedYAMLError) as e:
        return "bad", str(e).replace("\n", " "), set()
    return ("refused", b.names, b.may) if b.names else ("ok", b.roots[0], b.may)


def differs(want, answer):
    verdict, what, may = want
    if not answer["ok"] and any(MAY[m] in answer["why"] for m in may):
        return False
    if verdict == "ok":
        return not answer["ok"] or answer["value"] != what
    if answer["ok"]:
        return True
    if verdict == "bad" or what & {"break", "mark", "documents", "block"}:
        return False  # whatever else is wrong with it
    if what & {"anchor", "tag", "key"} and "not YAML" in answer["why"]:
        return False
    return not any(NAMES[n] in answer["why"] for n in what)


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    rnd = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 122)
    files = [gen_file(rnd) for _ in range(count)]
    wants = [expected(text) for text in files]
    answers = ask(program, [("yaml", text.encode("utf-8", "surrogatepass")) for text in files])
    wrong = [i for i in range(count) if differs(wants[i], answers[i])]
    tally = {v: sum(w[0] == v for w in wants) for v in ("ok", "refused", "bad")}
    more = sum(w[0] == "ok" and not a["ok"] for w, a in zip(wants, answers))
    print("# YAML: %d files, %d read, %d refused by name (%d of them for a tab or a colon), %d not YAML: %d differences" %
          (count, tally["ok"] - more, tally["refused"] + more, more, tally["bad"], len(wrong)))
    for i in sorted(wrong, key=lambda i: len(files[i]))[:int(sys.argv[4]) if len(sys.argv) > 4 else 10]:
        print("#   %.300r\n#     want %.300r\n#     got  %.300r" % (files[i], wants[i], answers[i]))
    if min(tally.values()) < count // 200:
        print("# too few files of one kind: this compares nothing")
        wrong.append(None)
    print("%s 1 YAML is read as ruamel.yaml reads it" % ("not ok" if wrong else "ok"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
