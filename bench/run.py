#!/usr/bin/python3
"""make bench: Posthorn beside Debian's Dovecot, same machine, same run, alternating; writes RESULTS.md.

    run.py --build DIR [--rounds N] [--seconds S] [--modes a,b,...] [--only posthorn|dovecot|cyrus] [--cyrus] [--idle N] [--skip-big]
           [--skip-idle] [--skip-million] [--out FILE]

--cyrus adds Debian's Cyrus IMAP as a second peer (packages cyrus-common and sasl2-bin).

Each mode runs alternately on both servers; medians are compared. Posthorn syncs every change before it is acknowledged;
Dovecot syncs saved messages and not flag changes (its default). Rates are the load generator's, which shares the machine's
cores; CPU is that of all the server's processes, per operation; flushes are the disk's, from /proc/diskstats.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from peer_cyrus import Cyrus
from peer_dovecot import Dovecot, wait_port

USERS = 50
RESERVE = 1000      # descriptors of a process that are not clients: the listener leaves 768 to the store
MESSAGES = 200


class Posthorn:
    name = "posthorn"

    def __init__(self, folder, users, base, build):
        self.dir, self.users, self.base, self.build = folder, users, base, build
        self.imap, self.imaps, self.lmtp = base + 143, base + 993, base + 24

    def start(self):
        log = open(f"{self.dir}.log", "ab")
        self.process = subprocess.Popen(
            [f"{self.build}/src/ctl/posthorn", "demo", "--dir", str(self.dir), "--users", str(self.users), "--password", "pass",
             "--port-base", str(self.base)], stdout=subprocess.PIPE, stderr=log, text=True)
        while not self.process.stdout.readline().startswith("ready"):
            if self.process.poll() is not None:
                sys.exit("posthorn did not start; see " + f"{self.dir}.log")
        wait_port(self.imap)
        self.pid = self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Floor:
    """What the kernel alone costs: bench/floor.c answers the same commands with made-up bytes."""

    name = "floor"
    FIRST_WORDS = ("login --conns", "select", "status", "list", "fetch --conns")

    def __init__(self, base, build):
        self.imap, self.build = base + 143, build

    def start(self):
        self.process = subprocess.Popen([f"{self.build}/bench/floor", str(self.imap)], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.pid = self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def knows(self, mode):
        return mode.startswith(self.FIRST_WORDS) and "--tls" not in mode and "--depth" not in mode


def free_base():
    """A port base whose IMAP, IMAPS and LMTP ports nobody uses."""
    for base in range(20000, 60000, 1000):
        try:
            for port in (base + 143, base + 993, base + 24):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    sys.exit("no free ports")


def family(pid):
    """The process and all below it."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        todo += children.get(p, [])
    return found


def cpu_seconds(pid):
    ticks = 0
    for p in family(pid):
        try:
            f = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(int(x) for x in f[11:15])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_now(pid):
    """As cpu_seconds(), to the microsecond, without processes and threads that have ended."""
    total = 0
    for p in family(pid):
        for task in pathlib.Path(f"/proc/{p}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:
                pass
    return total / 1e9


def memory_kb(pid):
    total = 0
    for p in family(pid):
        try:
            for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def flushes():
    total = 0
    for line in pathlib.Path("/proc/diskstats").read_text().splitlines():
        f = line.split()
        if len(f) >= 19:
            total += int(f[18])
    return total


class Imap:
    """Just enough of a client to set up and time single commands."""

    def __init__(self, port, user):
        self.s = socket.create_connection(("127.0.0.1", port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.f = self.s.makefile("rb", 1 << 20)
        self.f.readline()
        self.do(f"LOGIN {user} pass")
        self.s.sendall(b"c CAPABILITY\r\n")
        # "THREAD=REFERENCES" counts as THREAD.
        self.capabilities = self.f.readline().decode().replace("=", " ").split()
        self.f.readline()

    def do(self, command, data=b"", check=True):
        self.s.sendall(b"a " + command.encode() + b"\r\n" if not data else b"a " + command.encode() + data + b"\r\n")
        got = 0
        while True:
            line = self.f.readline()
            got += len(line)
            if not line:
                raise EOFError(command)
            if line.startswith(b"a "):
                if check and not line.startswith(b"a OK"):
                    raise RuntimeError(f"{command}: {line!r}")
                return got
            if line.endswith(b"}\r\n"):
                n = int(line[line.rindex(b"{") + 1:-3])
                while n:
                    part = self.f.read(min(n, 1 << 20))
                    n -= len(part)
                    got += len(part)

    def timed(self, command):
        """Seconds until the tagged reply. The answer is not looked at but for its last line: the client must cost little."""
        began = time.perf_counter()
        self.s.sendall(b"a " + command.encode() + b"\r\n")
        buffer, last = bytearray(1 << 20), b""
        while not (last.endswith(b"\r\n") and (b"\r\n" + last)[:-2].rsplit(b"\r\n", 1)[1].startswith(b"a ")):
            n = self.s.recv_into(buffer)
            if n == 0:
                raise EOFError(command)
            last = (last + buffer[max(0, n - 300):n])[-300:]
        seconds = time.perf_counter() - began
        if not (b"\r\n" + last).rsplit(b"\r\n", 2)[1].startswith(b"a OK"):
            raise RuntimeError(f"{command}: {last!r}")
        return seconds


def message(i, size=2000):
    head = (f"From: \"Sender {i % 100}\" <sender{i % 100}@example.org>\r\nTo: user1@example.net\r\n"
            f"Subject: {'Re: ' if i % 3 else ''}Topic {i // 7}\r\nDate: Sun, {1 + i % 28} Nov 2026 10:{i % 60:02}:00 +0100\r\n"
            f"Message-ID: <m{i}@example.org>\r\n" + (f"References: <m{i - i % 7}@example.org>\r\n" if i % 7 else "") +
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n").encode()
    line = b"All work and no play makes a dull message, number %d of many.\r\n" % i
    return head + line * max(1, (size - len(head)) // len(line))


def batches(count, size=2000):
    """Messages as MULTIAPPEND has them, 64 at a time."""
    for at in range(0, count, 64):
        yield b"".join(b" {%d+}\r\n" % len(m) + m for m in (message(i, size) for i in range(at, min(count, at + 64))))


def fill(port, user, count, size=2000, mailbox="INBOX"):
    import_all(port, user, batches(count, size), mailbox)


def import_all(port, user, of, mailbox="INBOX"):
    c = Imap(port, user)
    for data in of:
        c.do(f"APPEND {mailbox}", data)
    c.do("LOGOUT", check=False)


# name, load's mode and arguments, port, what an operation is (divides CPU and rate)
MODES = [
    ("APPEND, 1 client", "append --conns 1 --first-user 26", "imap", 1),
    ("APPEND, 8 clients", "append --conns 8 --accounts 8 --first-user 26", "imap", 1),
    ("MULTIAPPEND of 16", "multiappend --conns 4 --accounts 4 --first-user 26", "imap", 16),
    ("LMTP, 8 connections, 1 recipient", "lmtp --conns 8 --accounts 20 --first-user 26", "lmtp", 1),
    ("LMTP, 8 connections, 5 recipients", "lmtp --conns 8 --accounts 20 --first-user 26 --rcpts 5", "lmtp", 5),
    ("login and logout", "login --conns 8 --accounts 8", "imap", 1),
    ("IMAPS login and logout, full handshake", "login --conns 8 --accounts 8 --tls full", "imaps", 1),
    ("IMAPS login and logout, resumed", "login --conns 8 --accounts 8 --tls resumed", "imaps", 1),
    ("SELECT", "select --conns 8 --accounts 8", "imap", 1),
    ("STATUS", "status --conns 8 --accounts 8", "imap", 1),
    ("LIST", "list --conns 8 --accounts 8", "imap", 1),
    ("STORE one flag, 8 clients", "store --conns 8 --accounts 8", "imap", 1),
    ("STORE, pipelined by 16", "store --conns 8 --accounts 8 --depth 16", "imap", 1),
    ("FETCH of a random body", "fetch --conns 8 --accounts 8", "imap", 1),
    ("FETCH, pipelined by 16", "fetch --conns 8 --accounts 8 --depth 16", "imap", 1),
    ("COPY of one", "copy --conns 8 --accounts 8", "imap", 1),
    ("SEARCH flags", "search-flags --conns 4 --accounts 4 --first-user 10", "imap", 1),
    ("SEARCH header", "search-header --conns 4 --accounts 4 --first-user 10", "imap", 1),
    ("SEARCH body", "search-body --conns 4 --accounts 4 --first-user 10", "imap", 1),
    ("mixed work, 50 clients on 25 accounts", "mixed --conns 50 --accounts 25", "imap", 1),
    ("mixed work under TLS", "mixed --conns 50 --accounts 25 --tls resumed", "imaps", 1),
]

BIG = 100000
BIG_ROUNDS = 5  # at least: one command is a short time
BIG_COMMANDS = [
    ("SELECT, cold: the first after a start", "SELECT INBOX"),
    ("SELECT, warm", "SELECT INBOX"),
    ("UID FETCH 1:* (FLAGS)", "UID FETCH 1:* (FLAGS)"),
    ("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE), first",
     "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"),
    ("the same again", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"),
    ("FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]"),
    ("FETCH 1:* BODY.PEEK[]", "FETCH 1:* BODY.PEEK[]"),
    ("SORT (DATE), first", "SORT (DATE) UTF-8 ALL"),
    ("SORT (DATE), again", "SORT (DATE) UTF-8 ALL"),
    ("THREAD REFERENCES, first", "THREAD REFERENCES UTF-8 ALL"),
    ("THREAD REFERENCES, again", "THREAD REFERENCES UTF-8 ALL"),
    ("SEARCH FROM", "SEARCH FROM \"sender42\""),
    ("SEARCH UNSEEN", "SEARCH UNSEEN"),
    ("SEARCH TEXT, first", "SEARCH TEXT \"number 4711 of\""),
    ("SEARCH TEXT, another", "SEARCH TEXT \"number 815 of\""),
    ("STORE 1:* +FLAGS.SILENT (\\Seen)", "STORE 1:* +FLAGS.SILENT (\\Seen)"),
    ("COPY 1:1000", "COPY 1:1000 Archive"),
    ("expunge of 10,000", None),
]


def run_mode(load, server, mode, port, seconds):
    words = mode.split()
    cpu, flush = cpu_seconds(server.pid), flushes()
    out = subprocess.run([load, *words, "--port", str(port), "--seconds", str(seconds), "--messages", str(MESSAGES)],
                         capture_output=True, text=True)
    if not out.stdout:
        sys.exit(f"{server.name}: {mode}: {out.stderr}")
    r = json.loads(out.stdout)
    if r["failures"]:
        print(f"  {server.name}: {mode}: {r['failures']} failures: {out.stderr.strip()}", file=sys.stderr)
    ops = max(1, r["ops"])
    r["cpu_us"] = (cpu_seconds(server.pid) - cpu) / ops * 1e6
    r["flushes"] = (flushes() - flush) / ops
    return r


def is_wanted(opt, name, mode):
    return not opt.modes or any(m in mode.split()[0] or m in name for m in opt.modes.split(","))


def fill_up(port, user):
    """Other modes expunge: the messages that load asks for are there again."""
    c = Imap(port, user)
    c.s.sendall(b"s STATUS INBOX (MESSAGES)\r\n")
    there = int(re.search(rb"MESSAGES (\d+)", c.f.readline()).group(1))
    c.f.readline()
    c.do("LOGOUT", check=False)
    fill(port, user, MESSAGES - there, 5000)


def floor_table(say, load, opt, floor, server):
    """How far the small commands are from what the kernel alone costs."""
    modes = [(name, mode) for name, mode, _, _ in MODES if floor.knows(mode) and is_wanted(opt, name, mode)]
    if not modes:
        return
    say("")
    say("| CPU of an operation | posthorn | a server that does nothing but answer | ratio |")
    say("|---|---|---|---|")
    for i in range(1, 9):
        fill_up(server.imap, f"user{i}")
    floor.start()
    try:
        for name, mode in modes:
            ours, least = [], []
            for _ in range(opt.rounds):
                ours.append(run_mode(load, server, mode, server.imap, opt.seconds)["cpu_us"])
                least.append(run_mode(load, floor, mode, floor.imap, opt.seconds)["cpu_us"])
            ours, least = statistics.median(ours), statistics.median(least)
            say(f"| {name} | {ours:.1f} µs | {least:.1f} µs | {ours / least:.1f} |")
    finally:
        floor.stop()


def big_import(server):
    """Makes the mailbox and stops the server; its store as it is then stays beside it."""
    ready = list(batches(BIG))  # making them is not the server's time
    began, cpu = time.perf_counter(), cpu_now(server.pid)
    import_all(server.imap, "user50", ready)
    took = time.perf_counter() - began, cpu_now(server.pid) - cpu
    server.stop()
    subprocess.run(["cp", "-a", server.dir, f"{server.dir}.kept"], check=True)
    return took


def big_commands(server):
    """All commands on the mailbox as the import left it, behind a start: what a server keeps for a second time is not there yet."""
    shutil.rmtree(server.dir)
    subprocess.run(["cp", "-a", f"{server.dir}.kept", server.dir], check=True)
    os.sync()
    server.start()
    c = Imap(server.imap, "user50")
    took = {}
    for name, command in BIG_COMMANDS:
        word = command.split()[0] if command else ""
        if word in ("SORT", "THREAD") and word not in c.capabilities:
            continue
        if command is None:
            c.do("STORE 1:10000 +FLAGS.SILENT (\\Deleted)")
            command = "EXPUNGE"
        cpu = cpu_now(server.pid)
        seconds = c.timed(command)
        took[name] = seconds, cpu_now(server.pid) - cpu
    c.do("LOGOUT", check=False)
    server.stop()
    return took


def big_mailbox(servers, rounds):
    """Medians of each command: seconds, and seconds of the processor. They run alternately; each import is one."""
    took = [{"import by MULTIAPPEND of 64": big_import(s)} for s in servers]
    runs = [[] for _ in servers]
    for _ in range(rounds):
        for i, s in enumerate(servers):
            runs[i].append(big_commands(s))
    for i, of in enumerate(runs):
        for name in of[0]:
            took[i][name] = tuple(statistics.median(r[name][k] for r in of) for k in (0, 1))
    return took


MILLION = 1000000


def million(server):
    """A server with a million messages: how long it takes to start, and its memory. 62,500 are appended; copies make the rest."""
    fill(server.imap, "user49", MILLION >> 4, 300)
    c = Imap(server.imap, "user49")
    c.do("SELECT INBOX")
    for _ in range(15):
        c.do(f"COPY 1:{MILLION >> 4} INBOX")
    c.do("LOGOUT", check=False)
    server.stop()
    began = time.perf_counter()
    server.start()
    with socket.create_connection(("127.0.0.1", server.imap)) as s:
        s.recv(1000)
    took = {"start to the first greeting": f"{time.perf_counter() - began:.3f} s"}
    took["memory, no clients"] = f"{settled(lambda: memory_kb(server.pid)) / 1024:.0f} MB"
    c = Imap(server.imap, "user49")
    cpu = cpu_now(server.pid)
    seconds = c.timed("SELECT INBOX")
    took["SELECT, cold"] = f"{seconds:.4f} s ({cpu_now(server.pid) - cpu:.4f} s of CPU)"
    took["memory with it selected"] = f"{memory_kb(server.pid) / 1024:.0f} MB"
    c.do("LOGOUT", check=False)
    return took


IDLE = [
    ("plain", "imap", []),
    ("TLS", "imaps", ["--tls", "full"]),
    ("TLS and COMPRESS", "imaps", ["--tls", "full", "--compress", "1"]),
]


def connections(server):
    """Established connections to the server's IMAP ports."""
    ports = {f":{p:04X}" for p in (server.imap, server.imaps)}
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for line in lines if line.split()[1][8:] in ports and line.split()[3] == "01")


def settled(value, step=1.0, limit=60):
    """Waits until a figure has stopped changing; gives its last."""
    last, end = value(), time.monotonic() + limit
    while time.monotonic() < end:
        time.sleep(step)
        now = value()
        if abs(now - last) <= max(1, last // 500):
            return now
        last = now
    return last


def idle_memory(load, server, count, port, options):
    before = memory_kb(server.pid)
    p = subprocess.Popen([load, "idle", "--conns", str(count), "--accounts", "25", "--port", str(getattr(server, port)),
                          "--seconds", "600", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 240
    while connections(server) < count and time.monotonic() < end and p.poll() is None:
        time.sleep(0.2)
    after = settled(lambda: memory_kb(server.pid))
    # Until all are in IDLE and what that took has passed.
    settled(lambda: cpu_seconds(server.pid) * 100)
    cpu = cpu_seconds(server.pid)
    time.sleep(10)
    busy = (cpu_seconds(server.pid) - cpu) / 10
    held = connections(server)
    p.kill()
    p.wait()
    while connections(server) > 0 and time.monotonic() < end:
        time.sleep(0.2)
    settled(lambda: memory_kb(server.pid))
    return (after - before) / max(1, held), busy, held


def wake_latency(server, count=200):
    idler = Imap(server.imap, "user1")
    idler.do("SELECT INBOX")
    idler.s.sendall(b"a IDLE\r\n")
    while not idler.f.readline().startswith(b"+"):
        pass
    lmtp = socket.create_connection(("127.0.0.1", server.lmtp))
    f = lmtp.makefile("rb")
    f.readline()
    lmtp.sendall(b"LHLO bench\r\n")
    while f.readline()[3:4] == b"-":
        pass
    times, end = [], time.monotonic() + 20
    for i in range(count):
        if time.monotonic() > end:
            break       # a server that waits before it tells
        began = time.perf_counter()
        lmtp.sendall(b"MAIL FROM:<a@example.org>\r\n")
        f.readline()
        lmtp.sendall(b"RCPT TO:<user1>\r\n")
        f.readline()
        lmtp.sendall(b"DATA\r\n")
        f.readline()
        lmtp.sendall(message(i) + b".\r\n")
        while not idler.f.readline().rstrip().endswith(b"EXISTS"):
            pass
        times.append((time.perf_counter() - began) * 1000)
        f.readline()
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.99)]


def start_servers(opt, folder, build, started):
    """Those that are asked for, each with a folder and ports of its own, into the list."""
    folder.mkdir(exist_ok=True)
    os.chmod(folder, 0o755)
    for name, make in (("posthorn", lambda d: Posthorn(d, USERS, free_base(), build)), ("dovecot", lambda d: Dovecot(d, USERS, free_base())),
                       ("cyrus", lambda d: Cyrus(d, USERS, free_base()))):
        if opt.only == name or (opt.only is None and (name != "cyrus" or opt.cyrus)):
            started.append(make(folder / name))
            started[-1].start()


def stop_servers(servers):
    for s in servers:
        try:
            s.stop()
        except Exception as e:  # the others must be stopped too
            print(e, file=sys.stderr)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--build", default="build")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--seconds", type=float, default=4)
    a.add_argument("--modes")
    a.add_argument("--only", choices=("posthorn", "dovecot", "cyrus"))
    a.add_argument("--cyrus", action="store_true")
    a.add_argument("--idle", type=int, default=0, help="idle clients to hold on Posthorn; 20,000, or as many as descriptors allow")
    a.add_argument("--skip-big", action="store_true")
    a.add_argument("--skip-idle", action="store_true")
    a.add_argument("--skip-million", action="store_true")
    a.add_argument("--out")
    opt = a.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opt.idle = opt.idle or min(20000, hard - RESERVE)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-bench-"))
    build = str(pathlib.Path(opt.build).resolve())
    load = f"{build}/bench/load"
    servers = []
    lines = []

    def say(text):
        print(text, flush=True)
        lines.append(text)
        if opt.out:
            pathlib.Path(opt.out).write_text("\n".join(lines) + "\n")

    try:
        start_servers(opt, folder, build, servers)
        peers = servers[1:]
        for s in servers:
            for i in range(1, 26):
                fill(s.imap, f"user{i}", MESSAGES, 5000)
        say(f"Machine: {os.cpu_count()} cores, {platform.platform()}; {time.strftime('%Y-%m-%d')}; rounds: {opt.rounds} of {opt.seconds} s.")
        say("")
        say("| mode | " + " | ".join(f"{s.name}: rate/s, CPU/op, p99, flushes/op" for s in servers) + " |"
            + "".join(f" rate to {s.name} | CPU |" for s in peers) + " the generator's CPU/op |")
        say("|---|" + "---|" * (len(servers) + 2 * len(peers) + 1))
        for name, mode, port, per in MODES:
            if not is_wanted(opt, name, mode):
                continue
            results = {s.name: [] for s in servers}
            for _ in range(opt.rounds):
                for s in servers:
                    results[s.name].append(run_mode(load, s, mode, getattr(s, port), opt.seconds))
            cells, med = [], {}
            for s in servers:
                m = {k: statistics.median(r[k] for r in results[s.name]) for k in ("rate", "cpu_us", "p99_ms", "flushes", "client_us")}
                med[s.name] = m
                cells.append(f"{m['rate'] * per:,.0f}/s, {m['cpu_us'] / per:,.0f} µs, {m['p99_ms']:.1f} ms, {m['flushes'] / per:.2f}")
            ours = med[servers[0].name]
            ratios = "".join(f" {ours['rate'] / max(med[s.name]['rate'], 0.1):.1f}× | 1/{med[s.name]['cpu_us'] / max(ours['cpu_us'], 0.1):.1f} |"
                             for s in peers)
            generator = " / ".join(f"{m['client_us'] / per:,.0f}" for m in med.values())
            say(f"| {name} | " + " | ".join(cells) + " |" + ratios + f" {generator} µs |")
        if servers[0].name == "posthorn":
            floor_table(say, load, opt, Floor(free_base(), build), servers[0])
        if not opt.skip_idle:
            say("")
            say("| idle clients | " + " | ".join(s.name for s in servers) + " |")
            say("|---|" + "---|" * len(servers))
            wake = [wake_latency(s) for s in servers]
            say("| delivery to EXISTS of an idle client, p50 / p99 | " + " | ".join(f"{p50:.1f} / {p99:.1f} ms" for p50, p99 in wake) + " |")
            counts = {s.name: opt.idle if s.name == "posthorn" else min(opt.idle, 200) for s in servers}
            for name, port, options in IDLE:
                # Anew: what clients before them took and gave back would be theirs for nothing.
                for s in servers:
                    s.stop()
                    s.start()
                idle = [idle_memory(load, s, counts[s.name], port, options) for s in servers]
                say(f"| memory a client, {name} (IDLE on INBOX) | " + " | ".join(f"{kb:.1f} KB at {held:,}" for kb, _, held in idle) + " |")
                say(f"| CPU of all of them doing nothing, {name} | " + " | ".join(f"{busy * 100:.2f} % of a core" for _, busy, _ in idle) + " |")
        if not opt.skip_big:
            say("")
            say(f"A mailbox of {BIG:,} messages, one client, seconds (CPU seconds of the server):")
            say("")
            say("| command | " + " | ".join(s.name for s in servers) + " |" + "".join(f" to {s.name} |" for s in peers))
            say("|---|" + "---|" * (len(servers) + len(peers)))
            # In stores of their own, while those of the modes before have nothing left to tidy.
            stop_servers(servers)
            alone = []
            try:
                start_servers(opt, folder / "big", build, alone)
                took = big_mailbox(alone, max(opt.rounds, BIG_ROUNDS))
            except BaseException:
                stop_servers(alone)
                raise
            for s in servers:
                s.start()
            for key in took[0]:
                row = " | ".join(f"{t[key][0]:.4f} ({t[key][1]:.4f})" if key in t else "–" for t in took)
                ratios = "".join(f" {t[key][0] / took[0][key][0]:.1f}× |" if key in t else " – |" for t in took[1:])
                say(f"| {key} | {row} |{ratios}")
        if not opt.skip_million and servers[0].name == "posthorn":
            say("")
            say(f"| posthorn with a mailbox of {MILLION:,} messages | |")
            say("|---|---|")
            for name, value in million(servers[0]).items():
                say(f"| {name} | {value} |")
    finally:
        stop_servers(servers)
        shutil.rmtree(folder, ignore_errors=True)
    if opt.out:
        pathlib.Path(opt.out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
