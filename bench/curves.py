#!/usr/bin/python3
"""How costs grow with the mailbox and with the number of idle clients: a table that should be flat.

    curves.py --build DIR [--sizes 1000,10000,100000,1000000] [--idle 100,1000,10000] [--out FILE]

Each figure is the median of several tries on a warm server, in milliseconds as the client sees them. What grows with its answer
(SEARCH UNSEEN of a mailbox that is all unseen, SORT, THREAD) is asked so that the answer stays small where that is possible.
"""
import argparse
import pathlib
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

from run import Imap, Posthorn, connections, cpu_seconds, fill, free_base, memory_kb, settled, wake_latency

TRIES = 15


def median_ms(action, tries=TRIES):
    times = []
    for i in range(tries):
        began = time.perf_counter()
        action(i)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def flag_change_seen(server, user, count):
    """From one session's STORE to another's untagged FETCH, both on the mailbox."""
    watcher, changer = Imap(server.imap, user), Imap(server.imap, user)
    for c in (watcher, changer):
        c.do("SELECT INBOX")
    watcher.s.sendall(b"a IDLE\r\n")
    while not watcher.f.readline().startswith(b"+"):
        pass

    def change(i):
        changer.s.sendall(b"a STORE %d %sFLAGS (\\Flagged)\r\n" % (count // 2, b"-" if i % 2 else b"+"))
        while b" FETCH " not in watcher.f.readline():
            pass
        while not changer.f.readline().startswith(b"a OK"):
            pass

    return median_ms(change)


def resync_after(server, user, count, changes=10):
    """SELECT (QRESYNC ...) by a client that missed a few changes."""
    c = Imap(server.imap, user)
    c.do("ENABLE QRESYNC")

    def status():
        c.s.sendall(b"a STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)\r\n")
        words = c.f.readline().decode().replace("(", " ").replace(")", " ").split()
        c.f.readline()
        return words[words.index("UIDVALIDITY") + 1], words[words.index("HIGHESTMODSEQ") + 1]

    validity, modseq = status()
    c.do("SELECT INBOX")
    for i in range(changes):
        c.do(f"UID STORE {1 + i * (count // changes)} +FLAGS.SILENT (\\Answered)")
    c.do("UNSELECT")
    return median_ms(lambda i: (c.do(f"SELECT INBOX (QRESYNC ({validity} {modseq}))"), c.do("UNSELECT")))


def by_size(server, user, count):
    fill(server.imap, user, count, 600)
    c = Imap(server.imap, user)
    figures = {"SELECT": median_ms(lambda i: c.do("SELECT INBOX"))}
    figures["STATUS"] = median_ms(lambda i: c.do("STATUS INBOX (MESSAGES UNSEEN UIDNEXT HIGHESTMODSEQ SIZE)"))
    middle = count // 2
    window = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
    figures["FETCH of a window of 50"] = median_ms(lambda i: c.do(f"FETCH {middle}:{middle + 49} {window}"))
    figures["one flag change, seen by another session"] = flag_change_seen(server, user, count)
    figures["SELECT (QRESYNC) after 10 changes"] = resync_after(server, user, count)
    c.do("STORE 1:* +FLAGS.SILENT (\\Seen)")
    c.do(f"STORE {middle} -FLAGS.SILENT (\\Seen)")
    figures["SEARCH UNSEEN, one of all"] = median_ms(lambda i: c.do("SEARCH UNSEEN"))
    figures["SEARCH 50 messages by header"] = median_ms(lambda i: c.do(f"SEARCH {middle}:{middle + 49} FROM sender42"))
    if "SORT" in c.capabilities:
        figures["SORT (DATE) of 50"] = median_ms(lambda i: c.do(f"SORT (DATE) UTF-8 {middle}:{middle + 49}"))
        figures["SORT (DATE) of all"] = median_ms(lambda i: c.do("SORT (DATE) UTF-8 ALL"), 3)
        figures["THREAD REFERENCES of 50"] = median_ms(lambda i: c.do(f"THREAD REFERENCES UTF-8 {middle}:{middle + 49}"))
        figures["THREAD REFERENCES of all"] = median_ms(lambda i: c.do("THREAD REFERENCES UTF-8 ALL"), 3)
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
    return {"memory a client, KB": (memory - before) / count, "delivery to EXISTS of another idle client, p50": p50, "p99": p99}


def table(say, what, columns, results):
    say(f"| {what} | " + " | ".join(f"{n:,}" for n in columns) + " |")
    say("|---|" + "---|" * len(columns))
    for key in results[0]:
        say(f"| {key} | " + " | ".join(f"{r[key]:.2f}" for r in results) + " |")
    say("")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--build", default="build")
    a.add_argument("--sizes", default="1000,10000,100000,1000000")
    a.add_argument("--idle", default="100,1000,10000")
    a.add_argument("--out")
    opt = a.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    build = str(pathlib.Path(opt.build).resolve())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-curves-"))
    folder.chmod(0o755)
    sizes, idle = ([int(n) for n in text.split(",") if n] for text in (opt.sizes, opt.idle))
    server = Posthorn(folder / "posthorn", 50, free_base(), build)
    lines = []

    def say(text):
        print(text, flush=True)
        lines.append(text)

    try:
        server.start()
        table(say, "milliseconds, mailbox of", sizes, [by_size(server, f"user{i + 40}", n) for i, n in enumerate(sizes)])
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
        shutil.rmtree(folder, ignore_errors=True)
    if opt.out:
        pathlib.Path(opt.out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
