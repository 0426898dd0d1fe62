#!/usr/bin/python3
"""How costs grow with the mailbox and with the number of idle clients: a table that should be flat.

    curves.py --build DIR [--sizes 1000,10000,100000,1000000] [--idle 100,1000,10000] [--store FOLDER] [--out FILE]

Each figure is the median of several tries on a warm server: milliseconds as the client sees them, and in brackets what the server's
processes used of the processor, which is the one to look at when others use the machine. What grows with its answer (SORT, THREAD) is
also asked so that the answer stays small. With --store the mailboxes are made in that folder, once: the next run finds them there.
"""
import argparse
import pathlib
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

from run import Imap, Posthorn, connections, cpu_now, cpu_seconds, fill, free_base, memory_kb, settled, wake_latency

TRIES = 15
# More than that are copies: they take a second where deliveries take minutes.
APPENDED_MAX = 100000


class Ms:
    """Medians: of what the client waited, of what the server used of the processor."""

    def __init__(self, wall, cpu):
        self.wall, self.cpu = wall, cpu

    def __str__(self):
        return f"{self.wall:.2f} ({self.cpu:.2f})"


def median_ms(server, action, tries=TRIES):
    times, cpus = [], []
    for i in range(tries):
        cpu, began = cpu_now(server.pid), time.perf_counter()
        action(i)
        times.append((time.perf_counter() - began) * 1000)
        cpus.append((cpu_now(server.pid) - cpu) * 1000)
    return Ms(statistics.median(times), statistics.median(cpus))


def flag_change_seen(server, user, count):
    """From one session's STORE to another's untagged FETCH, both on the mailbox."""
    watcher, changer = Imap(server.imap, user), Imap(server.imap, user)
    for c in (watcher, changer):
        c.do("SELECT INBOX")
        c.do(f"STORE {count // 2} -FLAGS.SILENT (\\Flagged)")     # as an earlier run may have left it
    watcher.s.sendall(b"a IDLE\r\n")
    while not watcher.f.readline().startswith(b"+"):
        pass

    def change(i):
        changer.s.sendall(b"a STORE %d %sFLAGS (\\Flagged)\r\n" % (count // 2, b"-" if i % 2 else b"+"))
        while b" FETCH " not in watcher.f.readline():
            pass
        while not changer.f.readline().startswith(b"a OK"):
            pass

    return median_ms(server, change)


def resync_after(server, user, count, changes=10):
    """SELECT (QRESYNC ...) by a client that missed a few changes."""
    c = Imap(server.imap, user)
    c.do("ENABLE QRESYNC")

    def status():
        c.s.sendall(b"a STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)\r\n")
        words = c.f.readline().decode().replace("(", " ").replace(")", " ").split()
        c.f.readline()
        return words[words.index("UIDVALIDITY") + 1], words[words.index("HIGHESTMODSEQ") + 1]

    c.do("SELECT INBOX")
    for i in range(changes):
        c.do(f"UID STORE {1 + i * (count // changes)} -FLAGS.SILENT (\\Answered)")
    validity, modseq = status()
    for i in range(changes):
        c.do(f"UID STORE {1 + i * (count // changes)} +FLAGS.SILENT (\\Answered)")
    c.do("UNSELECT")
    return median_ms(server, lambda i: (c.do(f"SELECT INBOX (QRESYNC ({validity} {modseq}))"), c.do("UNSELECT")))


def fill_to(server, user, count):
    """Makes the mailbox, unless an earlier run has."""
    c = Imap(server.imap, user)
    c.s.sendall(b"a STATUS INBOX (MESSAGES)\r\n")
    there = int(c.f.readline().split(b"MESSAGES ")[1].split(b")")[0])
    c.f.readline()
    if there == 0:
        there = min(count, APPENDED_MAX)
        fill(server.imap, user, there, 600)
    c.do("SELECT INBOX")
    while there < count:
        n = min(APPENDED_MAX, count - there)
        c.do(f"COPY 1:{n} INBOX")
        there += n
    c.do("LOGOUT", check=False)


def by_size(server, user, count):
    fill_to(server, user, count)
    c = Imap(server.imap, user)
    figures, middle = {}, count // 2

    def measure(what, command, tries=TRIES):
        figures[what] = median_ms(server, lambda i: c.do(command), tries)

    c.do("SELECT INBOX")
    c.do(f"STORE 1:{middle} -FLAGS.SILENT (\\Seen)")
    window = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
    measure("SELECT", "SELECT INBOX")
    measure("STATUS", "STATUS INBOX (MESSAGES UNSEEN UIDNEXT HIGHESTMODSEQ SIZE)")
    measure("FETCH of a window of 50", f"FETCH {middle}:{middle + 49} {window}")
    figures["one flag change, seen by another session"] = flag_change_seen(server, user, count)
    figures["SELECT (QRESYNC) after 10 changes"] = resync_after(server, user, count)
    c.do("STORE 1:* +FLAGS.SILENT (\\Seen)")
    c.do(f"STORE {middle} -FLAGS.SILENT (\\Seen)")
    measure("SEARCH UNSEEN, one of all", "SEARCH UNSEEN")
    measure("SEARCH 50 messages by header", f"SEARCH {middle}:{middle + 49} FROM sender42")
    measure("SORT (DATE) of 50", f"SORT (DATE) UTF-8 {middle}:{middle + 49}")
    measure("SORT (DATE) of all", "SORT (DATE) UTF-8 ALL", 3)
    measure("THREAD REFERENCES of 50", f"THREAD REFERENCES UTF-8 {middle}:{middle + 49}")
    measure("THREAD REFERENCES of all", "THREAD REFERENCES UTF-8 ALL", 3)
    c.do("LOGOUT", check=False)
    return figures


def by_idle(load, server, count):
    before = memory_kb(server.pid)
    p = subprocess.Popen([load, "idle", "--conns", str(count), "--accounts", "25", "--first-user", "10", "--port", str(server.imap),
                          "--seconds", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while connections(server) < count and p.poll() is None:
        time.sleep(0.1)
    settled(lambda: cpu_seconds(server.pid) * 100)
    memory = settled(lambda: memory_kb(server.pid))
    p50, p99 = wake_latency(server)
    p.kill()
    p.wait()
    while connections(server) > 0:
        time.sleep(0.1)
    return {"memory a client, KB": f"{(memory - before) / count:.2f}",
            "delivery to EXISTS of another idle client, ms, p50": f"{p50:.2f}", "p99": f"{p99:.2f}"}


def user_of(size):
    """Each power of ten has its user, the same in each run."""
    return f"user{30 + len(str(size))}"


def table(say, what, columns, results):
    say(f"| {what} | " + " | ".join(f"{n:,}" for n in columns) + " |")
    say("|---|" + "---|" * len(columns))
    for key in results[0]:
        say(f"| {key} | " + " | ".join(str(r[key]) for r in results) + " |")
    say("")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--build", default="build")
    a.add_argument("--sizes", default="1000,10000,100000,1000000")
    a.add_argument("--idle", default="100,1000,10000")
    a.add_argument("--store", help="a folder to keep the mailboxes in")
    a.add_argument("--out")
    opt = a.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    build = str(pathlib.Path(opt.build).resolve())
    folder = pathlib.Path(opt.store or tempfile.mkdtemp(prefix="posthorn-curves-")).resolve()
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    sizes, idle = ([int(n) for n in text.split(",") if n] for text in (opt.sizes, opt.idle))
    server = Posthorn(folder / "posthorn", 50, free_base(), build)
    lines = []

    def say(text):
        print(text, flush=True)
        lines.append(text)

    try:
        server.start()
        for n in sizes:
            fill_to(server, user_of(n), n)
        # As after a night: what filling has left behind is tidied up, and nothing is in memory.
        server.stop()
        server.start()
        settled(lambda: cpu_seconds(server.pid) * 100)
        table(say, "milliseconds (of processor), mailbox of", sizes, [by_size(server, user_of(n), n) for n in sizes])
        began = time.perf_counter()
        server.stop()
        stopped = time.perf_counter()
        server.start()
        say(f"With all of these mailboxes ({sum(sizes):,} messages): stop {stopped - began:.2f} s, start to the first greeting "
            f"{time.perf_counter() - stopped:.2f} s, resident without clients {memory_kb(server.pid) / 1024:.0f} MB.")
        say("")
        if idle:
            table(say, "idle clients", idle, [by_idle(f"{build}/bench/load", server, n) for n in idle])
    finally:
        server.stop()
        if not opt.store:
            shutil.rmtree(folder, ignore_errors=True)
    if opt.out:
        pathlib.Path(opt.out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
