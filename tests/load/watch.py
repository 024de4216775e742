#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Follows what the gateway says, until SIGTERM: watch.py ROOT OUT

OUT gets, each line after its time in ms since 1970, what was not answered as it should be and what HAProxy says of its servers and itself.
The gateway's container of ROOT may be started, killed and replaced meanwhile."""
import signal
import subprocess
import sys
import time


def ends(*_):
    sys.exit(0)


def follow(name, since, out):
    """Until the container ends. Lines of an answer that is whole are of no interest."""
    with subprocess.Popen(["docker", "logs", "-f", "-t", "--since", since, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as said:
        try:
            for line in said.stdout:
                stamp, _, text = line.decode(errors="replace").partition(" ")
                if stamp[:2] != "20":
                    continue
                since = stamp
                if '"status":200,' not in text or '"end":"--"' not in text:
                    out.write(f"{stamp} {text.rstrip()}\n")
                    out.flush()
        finally:
            said.kill()
    return since


def main():
    signal.signal(signal.SIGTERM, ends)
    with open(sys.argv[1] + "/root-id", encoding="utf-8") as file:
        name = f"llmdeploy-{file.read().strip()[:8]}-gateway"
    since = "1s"
    with open(sys.argv[2], "a", encoding="utf-8") as out:
        while True:
            since = follow(name, since, out)
            time.sleep(0.1)


main()
