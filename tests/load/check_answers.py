#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds what clients saw against what the journal says: check_answers.py ROUTE-DIRECTORY KILLS GATEWAY RESULT LOG [RESULT LOG]...

The journal is read in ROUTE-DIRECTORY. RESULT and LOG are of tests/load/load, all releases have rollout.watch_ms 0. Forbidden are: a
request that failed or was cut while nothing was killed; an answer by a release before its gate had passed and its switch had begun, or by nobody.
KILLS ("-": none) has lines "WHAT FROM_MS UNTIL_MS": an engine or a HAProxy was killed, until it answered again, which may
take BACK_MS; what failed in that time is counted apart, by WHAT. Prints one JSON object; ends with 1 where anything
forbidden was seen, or nothing was. GATEWAY is of tests/load/watch.py: what is in it around the first faults, and in the journal, is in "around"."""
import calendar
import glob
import json
import sys
import time

BACK_MS = 20000
AROUND_MS = 400
EXPLAINED = 5


def records(directory):
    found = []
    for path in glob.glob(directory + "/journal*"):
        with open(path, encoding="utf-8") as file:
            found += [json.loads(line.split(" ", 2)[2]) for line in file]
    return sorted(found, key=lambda r: r["seq"])


def passes(journal):
    """When each version may have had traffic first: its first flip after it was proved; and every flip's window, in ms."""
    proved, first, windows, begun = set(), {}, [], None
    for r in journal:
        if r["event"] == "proved":
            proved.add(r["version"])
        elif r["event"] == "flip_intent":
            begun = (r.get("watch_until_ms"), r["duration_ms"])
            if begun[0] and r["version"] in proved:
                first.setdefault(r["version"], begun[0])
        elif r["event"] == "flipped" and begun:
            windows.append((begun[0], r["duration_ms"] - begun[1]))
            begun = None
    return first, windows


def answers(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            begin, end, status, whole, kind, version, by, *how = line.split()
            yield int(begin), int(end), int(status), whole == "whole", kind, version, by, " ".join(how)


def read_kills(path):
    with open(path, encoding="utf-8") as file:
        return [(w, int(a), int(b)) for w, a, b in (line.split() for line in file)]


def unix_ms(stamp):
    """Of 2026-01-02T03:04:05.678901234Z or with whole seconds."""
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1000 + int((rest + "000")[:3])


def around(moments, journal, gateway):
    """What the journal (in whole seconds) and the gateway say around the first of these."""
    try:
        with open(gateway, encoding="utf-8") as file:
            said = [(unix_ms(line.split(" ", 1)[0]), line.strip()) for line in file]
    except FileNotFoundError:
        said = []
    found = []
    for begin, end in moments[:EXPLAINED]:
        records = [f"{r['seq']} {r['time']} {r['event']} {r.get('version') or ''}" for r in journal
                   if begin - 3000 <= unix_ms(r["time"]) <= end + 1000]
        found.append({"of": [begin, end], "journal": records[-16:],
                      "gateway": [text for at, text in said if begin - AROUND_MS <= at <= end + AROUND_MS][:16]})
    return found


def percentile(values, p):
    values = sorted(values)
    return values[int((len(values) - 1) * p / 100)] if values else None


def judge_answers(log, kills, dated, faults, apart, moments):
    """How many of them were in flight in a flip. moments: of those that nothing explains."""
    inside = 0
    for begin, end, status, whole, kind, version, by, how in answers(log):
        inside += any(begin <= b and end >= a for a, b in dated)
        if status == 200 and whole:
            continue
        why = next((w for w, a, b in kills if a <= end <= b + 100), None)
        if why:
            apart[why] = apart.get(why, 0) + 1
        else:
            moments.append((begin, end))
            faults.append(f"{kind} {begin}..{end}: status {status}, {'whole' if whole else 'cut'}, {version} {by}, HTTP and libcurl: {how}")
    return inside


def judge_releases(answered, first, faults):
    for v in answered:
        if v["by"] != "active" or v["version"] not in first:
            faults.append(f"answered by '{v['version']}' as '{v['by']}', which no gate has passed")
        elif v["answered_ms"] < first[v["version"]]:
            faults.append(f"'{v['version']}' answered {first[v['version']] - v['answered_ms']} ms before its switch")


def main():
    journal = records(sys.argv[1])
    kills = read_kills(sys.argv[2]) if sys.argv[2] != "-" else []
    first, windows = passes(journal)
    dated = [(at, at + took) for at, took in windows if at]
    faults, apart, inside, moments, sums = [], {}, 0, [], dict.fromkeys(("requests", "streams", "http2", "asked_again", "cut", "connections", "per_second"), 0)
    for i in range(4, len(sys.argv), 2):
        with open(sys.argv[i], encoding="utf-8") as file:
            result = json.load(file)
        for key in sums:
            sums[key] += result[key]
        inside += judge_answers(sys.argv[i + 1], kills, dated, faults, apart, moments)
        judge_releases(result["answered"], first, faults)
    drained = [r for r in journal if r["event"] == "drained"]
    faults += [f"{w} was not back after {b - a} ms" for w, a, b in kills if b - a > BACK_MS]
    if not sums["requests"] or not windows or not inside:
        faults.append("nothing was seen")
    json.dump(sums | {"flips": len(windows), "in_flight_in_a_flip": inside, "failed": len(faults), "failed_by_a_kill": apart,
                      "kills": len(kills), "back_ms_p50": percentile([b - a for _, a, b in kills], 50),
                      "back_ms_max": percentile([b - a for _, a, b in kills], 100), "cut_at_deadline": sum(r["cut"] for r in drained),
                      "releases": len(first), "flip_ms_p50": percentile([t for _, t in windows], 50),
                      "flip_ms_p99": percentile([t for _, t in windows], 99), "faults": faults[:20],
                      "around": around(sorted(moments), journal, sys.argv[3])}, sys.stdout)
    print()
    return 1 if faults else 0


sys.exit(main())
