#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/lint/tidy.sh      clang-tidy (.clang-tidy) on cmd and pkg; B=DIR: where the object files are, else build
# A file that passed is looked at again when it, a header of it (its .d file) or the checks have changed: B/tidy has the digests.
set -u
B=${B:-build}
mkdir -p "$B/tidy"
python3 - "$B" <<'END'
import concurrent.futures, glob, hashlib, os, re, subprocess, sys

build = sys.argv[1]
vendor = "libcurl libcjson libarchive libcrypto libgit2 yaml-0.1 libsolv libsolvext libpcre2-8 libutf8proc"
flags = subprocess.run(["pkg-config", "--cflags"] + vendor.split(), capture_output=True, text=True, check=True).stdout.split()
flags = ["-std=c17", "-D_GNU_SOURCE", "-Ipkg", "-Icmd", "-I."] + flags


def digest(source):
    wanted = {".clang-tidy", source}
    made = os.path.join(build, source[:-2] + ".d")
    if os.path.exists(made):
        with open(made) as f:
            wanted |= {w for w in re.findall(r"[^\s\\:]+", f.read()) if w.startswith(("cmd/", "pkg/")) and os.path.exists(w)}
    h = hashlib.sha256()
    for w in sorted(wanted):
        with open(w, "rb") as f:
            h.update(f.read())
    return h.hexdigest()


def passed(source):
    key, mark = digest(source), os.path.join(build, "tidy", source.replace("/", "+"))
    if os.path.exists(mark) and open(mark).read() == key:
        return True
    done = subprocess.run(["clang-tidy", "--quiet", source, "--"] + flags, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, end="")
        print(done.stderr if not done.stdout else "", end="")
        return False
    with open(mark, "w") as f:
        f.write(key)
    return True


with concurrent.futures.ThreadPoolExecutor(2) as pool:
    sys.exit(not all(list(pool.map(passed, sorted(glob.glob("cmd/*.c") + glob.glob("pkg/*/*.c"))))))
END
