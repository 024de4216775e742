#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: json_compare.py PROGRAM COUNT [SEED]     COUNT generated files, read by us and by Python's json in its strict form

Each file is read three times: strictly, by the grammar alone, and as what Python writes. Verdict and value must be those of
Python. Where we refuse more than Python does (a key twice, NUL, half a surrogate pair, a number beyond a double, more than 100
levels), we must say so by name, and nowhere else. Prints the numbers; exit 1 where one file differs."""
import json
import math
import random
import sys

from reader import ask

TOKENS = ["{", "}", "[", "]", ",", ":", '"', "\\", "\n", "\t", "\r", " ", "\x0b", "\x0c", "\x00", "\x1f", "\x7f", "\x85", "\xa0",
          "\u2028", "\ufeff", "\ufffe", "0", "00", "01", "-0", "-", "+1", "1.", ".5", "1e", "1e+", "1E5", "1e400", "-1e400", "1e-400",
          "0x10", "1_0", "NaN", "Infinity", "-Infinity", "nan", "inf", "true", "True", "tru", "false", "null", "None", "nul", "'a'",
          "//c\n", "/*c*/", "#c\n", "\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\ud83dx", "\\ude00\\ud83d", "\\u12",
          "\\u+123", "\\u 123", "\\x41", "\\'", "\\/", "\\a", "\\\n", '"a":', '"a":1,"a":2', '{"":0}', "[1,]", '{"a":1,}', "[,1]", "1" * 80,
          "0." + "3" * 80, "9007199254740993", "-9223372036854775809", "123456789012345678901234567890", "5e-324", "2.2250738585072011e-308",
          "\u0661", "\uff11", "\U0001f600", "e\u0301", "\u200b"]
BYTES = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00"]


class Twice(Exception):
    pass


def gen_text(rnd):
    out = []
    for _ in range(rnd.choice([0, 1, 2, 3, 5, 8, 30])):
        kind = rnd.random()
        if kind < 0.6:
            out.append(rnd.choice("abcXYZ019 .,:-_/{}[]'"))
        elif kind < 0.75:
            out.append("\\" + rnd.choice('"\\/bfnrt'))
        elif kind < 0.87:
            out.append(rnd.choice("\u00e9\u20ac\u2019\ufeff\U0001f600\x7f\u2028\u0000"[:-1]))
        elif kind < 0.97:
            out.append("\\u%04x" % rnd.choice([0x41, 0x20ac, 0xe9, 0x1f, 0xffff, 0x2028, rnd.randrange(1, 0xd800)]))
        elif kind < 0.99:
            out.append("\\ud83d\\ude%02X" % rnd.randrange(256))
        else:
            out.append(rnd.choice(["\\u0000", "\\ud800", "\\udfff"]))
    return '"' + "".join(out) + '"'


def gen_number(rnd):
    text = rnd.choice(["", "-"]) + rnd.choice(["0", str(rnd.randrange(1, 10)), str(rnd.randrange(1, 10**rnd.randrange(1, 40)))])
    if rnd.random() < 0.4:
        text += "." + "".join(rnd.choice("0123456789") for _ in range(rnd.choice([1, 2, 5, 17, 70])))
    if rnd.random() < 0.3:
        text += rnd.choice("eE") + rnd.choice(["", "+", "-"]) + str(rnd.choice([0, 1, 5, 20, 300, 309, 400, "007"]))
    return text


def blank(rnd):
    return "".join(rnd.choice(" \t\n\r") for _ in range(rnd.choice([0, 0, 0, 1, 2])))


def gen_value(rnd, depth):
    kind = rnd.random()
    if depth <= 0 or kind < 0.5:
        return rnd.choice([gen_text, gen_text, gen_number, lambda r: r.choice(["true", "false", "null"])])(rnd)
    n = rnd.choice([0, 1, 2, 3, 6])
    if kind < 0.7:
        items = [blank(rnd) + gen_value(rnd, depth - 1) + blank(rnd) for _ in range(n)]
        return "[" + (",".join(items) or blank(rnd)) + "]"
    keys = ['"k%d"' % i if rnd.random() < 0.8 else gen_text(rnd) for i in range(n)]
    if n > 1 and rnd.random() < 0.05:
        keys[0] = keys[-1]
    items = [blank(rnd) + k + blank(rnd) + ":" + blank(rnd) + gen_value(rnd, depth - 1) + blank(rnd) for k in keys]
    return "{" + (",".join(items) or blank(rnd)) + "}"


def mutate(rnd, text):
    for _ in range(rnd.choice([1, 1, 2, 4])):
        at = rnd.randrange(len(text) + 1)
        kind = rnd.random()
        if kind < 0.45:
            text = text[:at] + rnd.choice(TOKENS) + text[at:]
        elif kind < 0.6:
            text = text[:at] + text[at + 1:]
        elif kind < 0.75:
            text = text[:at] + rnd.choice(TOKENS) + text[at + rnd.randrange(1, 4):]
        elif kind < 0.85:
            text = text[:at]
        else:
            to = rnd.randrange(len(text) + 1)
            text = text[:at] + text[min(at, to):max(at, to)] + text[at:]
    return text


def gen_file(rnd):
    kind = rnd.random()
    if kind < 0.02:
        n = rnd.choice([99, 100, 101, 150])
        opening = rnd.choice(["[", '{"a":'])
        return (opening * n + "1" + ("]" if opening == "[" else "}") * n).encode()
    if kind < 0.1:
        return "".join(rnd.choice(TOKENS) for _ in range(rnd.randrange(0, 6))).encode()
    text = blank(rnd) + gen_value(rnd, 4) + blank(rnd)
    if kind < 0.55:
        return text.encode()
    if kind < 0.92:
        return mutate(rnd, text).encode("utf-8", "surrogatepass")
    data = text.encode()
    at = rnd.randrange(len(data) + 1)
    return data[:at] + rnd.choice(BYTES) + data[at + rnd.randrange(3):]


def unique(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise Twice
    return dict(pairs)


def constant(name):
    raise ValueError(name)


def shape(value, python):
    """The value with numbers as doubles; what a double or our text cannot hold as they become there."""
    if isinstance(value, dict):
        return {"map": {shape(k, python): shape(v, python) for k, v in value.items()}}
    if isinstance(value, list):
        return [shape(v, python) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return "".join("\ufffd" if 0xd800 <= ord(c) < 0xe000 or c == "\x00" else c for c in value) if python else value
    return repr(value) if math.isfinite(value) else None


def levels(value):
    if isinstance(value, (dict, list)):
        return 1 + max([levels(v) for v in (value.values() if isinstance(value, dict) else value)], default=0)
    return 0


def texts(value):
    if isinstance(value, dict):
        for k, v in value.items():
            yield k
            yield from texts(v)
    elif isinstance(value, list):
        for v in value:
            yield from texts(v)
    else:
        yield value


def beyond(value, mode):
    """Why a value that Python has read is refused by us, as a part of our message; or None."""
    leaves = list(texts(value))
    if levels(value) > 100:
        return ["nested more than 100 deep"]
    why = []
    if mode != "python" and any(isinstance(v, str) and any(0xd800 <= ord(c) < 0xe000 for c in v) for v in leaves):
        why.append("half of a surrogate pair")
    if mode == "json" and any(isinstance(v, str) and "\x00" in v for v in leaves):
        why.append("a NUL in a text")
    if mode == "json" and any(isinstance(v, float) and not math.isfinite(v) for v in leaves):
        why.append("beyond what a double can hold")
    return why or None


def expected(data, mode):
    """(verdict, value or reasons): "ok", "bad", "refused"."""
    special = None if mode == "python" else constant
    twice = False
    try:
        text = data.decode("utf-8")
        try:
            value = json.loads(text, object_pairs_hook=unique, parse_int=float, parse_constant=special)
        except Twice:
            twice = True
            value = json.loads(text, parse_int=float, parse_constant=special)
    except ValueError:
        return "bad", None
    why = beyond(value, mode)
    if twice:
        # Where a text holds both faults, the first one in the file is the one that is named; the pairs that Python drops may hold it.
        return "refused", (why or []) + ["twice", "half of a surrogate pair", "a NUL in a text", "beyond what a double"]
    return ("refused", why) if why else ("ok", shape(value, mode == "python"))


def differs(want, answer, mode):
    verdict, what = want
    if verdict == "ok":
        return not answer["ok"] or (mode != "grammar" and shape(answer["value"], False) != what)
    if answer["ok"]:
        return True
    return verdict == "refused" and not any(part in answer["why"] for part in what)


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    rnd = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 8259)
    files = [gen_file(rnd) for _ in range(count)]
    different = 0
    for mode, name in (("json", "strictly"), ("grammar", "by the grammar"), ("python", "as Python writes it")):
        wants = [expected(data, mode) for data in files]
        answers = ask(program, [(mode, data) for data in files])
        wrong = [i for i in range(count) if differs(wants[i], answers[i], mode)]
        tally = {v: sum(w[0] == v for w in wants) for v in ("ok", "refused", "bad")}
        print("# JSON %s: %d files, %d read, %d refused by name, %d not JSON: %d differences" %
              (name, count, tally["ok"], tally["refused"], tally["bad"], len(wrong)))
        for i in wrong[:10]:
            print("#   %.300r\n#     want %.300r\n#     got  %.300r" % (files[i], wants[i], answers[i]))
        different += len(wrong)
        if min(tally.values()) < count // 200:
            print("# too few files of one kind: this compares nothing")
            different += 1
    print("%s 1 JSON is read as Python's strict reader reads it" % ("not ok" if different else "ok"))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
