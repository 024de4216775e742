# SPDX-License-Identifier: Apache-2.0
"""Types at an interactive shell on a terminal of its own, and prints what the screen got.

usage: press.py SHELL SHARE BIN KEYS: the shell has the completion that is installed under SHARE, and BIN before its PATH.
The line is "llmdeploy KEYS", where T is the key TAB; then Enter, and the end of input. Ends when the shell has ended."""
import os
import pty
import select
import sys
import time

SETTLED = 0.25  # seconds without output: the shell waits for a key
LONGEST = 10.0


def command(shell, share):
    if shell == "bash":
        return ["bash", "--norc", "--noprofile", "-i"], f"source {share}/bash-completion/completions/llmdeploy"
    if shell == "zsh":
        return ["zsh", "-f", "-i"], f"fpath=({share}/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D"
    return ["fish", "-i"], "true"  # finds SHARE by itself


def environment(share, folder):
    keep = {k: os.environ[k] for k in ("LLMDEPLOY_ROOT", "LLMDEPLOY_RUNTIMES") if k in os.environ}
    home = os.getcwd()
    return dict(keep, HOME=home, TERM="xterm", LC_ALL="C.UTF-8", PATH=folder + ":" + os.environ["PATH"], PS1="$ ",
                XDG_DATA_DIRS=share + ":/usr/local/share:/usr/share", XDG_CONFIG_HOME=home + "/.config",
                XDG_DATA_HOME=home + "/.local/share")


def settle(fd, screen):
    """Reads until nothing came for a while; False: the shell has ended."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        if not select.select([fd], [], [], SETTLED)[0]:
            return True
        try:
            some = os.read(fd, 65536)
        except OSError:
            return False
        if not some:
            return False
        screen.append(some)
    return True


def main():
    shell, share, folder, keys = sys.argv[1:]
    words, setup = command(shell, share)
    pid, fd = pty.fork()
    if not pid:
        os.execvpe(words[0], words, environment(share, folder))
    screen = []
    settle(fd, screen)
    os.write(fd, setup.encode() + b"\r")
    settle(fd, screen)
    for part in ("llmdeploy " + keys).replace("T", "\0\t\0").split("\0"):
        os.write(fd, part.encode())
        settle(fd, screen)
    os.write(fd, b"\r")
    settle(fd, screen)
    for _ in range(5):
        try:
            os.write(fd, b"\x04")
        except OSError:
            break
        if not settle(fd, screen):
            break
    os.close(fd)
    os.waitpid(pid, 0)
    print(b"".join(screen).decode(errors="replace"))


main()
