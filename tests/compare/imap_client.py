"""A small IMAP client for comparing two servers: it sends a command and gives back the untagged responses as Python values.

Atoms and quoted strings become bytes (atoms in a subclass, so that NIL and "NIL" differ), literals bytes, lists lists.
It knows nothing about either server, and believes nothing: a response that is no IMAP raises.
"""
import os
import pwd
import re
import shutil
import socket
import subprocess


class Atom(bytes):
    pass


class Pipe:
    """A server on a pipe, already logged in."""

    def __init__(self, argv, **kw):
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kw)
        self.reader = self.proc.stdout

    def send(self, data):
        self.proc.stdin.write(data)
        self.proc.stdin.flush()

    def close(self):
        self.proc.stdin.close()
        self.reader.close()
        self.proc.wait(timeout=10)


class Tcp:
    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data)

    def close(self):
        self.reader.close()
        self.sock.close()


class Client:
    def __init__(self, stream):
        self.stream = stream
        self.count = 0
        self.greeting = self._line()

    def close(self):
        self.stream.close()

    def _line(self):
        """One response: its text and the literals in it."""
        pieces = []
        while True:
            text = self.stream.reader.readline()
            if not text.endswith(b"\n"):
                raise EOFError("the server closed the connection: %r" % text)
            m = re.search(rb"~?\{(\d+)\}\r\n$", text)
            if not m:
                pieces.append(text.rstrip(b"\r\n"))
                return pieces
            pieces.append(text[:m.start()])
            pieces.append(self.stream.reader.read(int(m.group(1))))

    def command(self, *parts):
        """Sends the parts; bytes in a 1-tuple go as a literal. Returns (status line, untagged responses)."""
        self.count += 1
        tag = b"c%d" % self.count
        self.stream.send(tag)
        for part in parts:
            if isinstance(part, tuple):
                self.stream.send(b" {%d}\r\n" % len(part[0]))
                line = self._line()
                while line[0].startswith(b"*"):
                    line = self._line()
                if not line[0].startswith(b"+"):
                    raise ValueError("no continuation: %r" % line)
                self.stream.send(part[0])
            else:
                self.stream.send(b" " + part)
        self.stream.send(b"\r\n")
        untagged = []
        while True:
            line = self._line()
            if line[0].startswith(tag + b" "):
                return line[0][len(tag) + 1:], untagged
            untagged.append(line)

    def ok(self, *parts):
        status, untagged = self.command(*parts)
        if not status.startswith(b"OK"):
            raise ValueError("%r: %r" % (parts, status))
        return untagged

    def append(self, mailbox, message):
        self.ok(b"APPEND " + mailbox, (message,))

    def fetch(self, items, seqs=b"1:*"):
        """{sequence number: {item name: value}}"""
        found = {}
        for line in self.ok(b"FETCH " + seqs + b" " + items):
            m = re.match(rb"\* (\d+) FETCH ", line[0])
            if m:
                values = parse([line[0][m.end():]] + line[1:])
                found.setdefault(int(m.group(1)), {}).update(pairs(values[0]))
        return found

    def search(self, *parts):
        for line in self.ok(b"SEARCH", *parts):
            if line[0].startswith(b"* SEARCH"):
                return sorted(int(n) for n in line[0].split()[2:])
        return []


def pairs(values):
    """Fetch data as a dictionary; the partial origin is part of the name."""
    return {bytes(values[i]).upper(): values[i + 1] for i in range(0, len(values), 2)}


TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|([()])|((?:[^ ()"\[]|\[[^\]]*\])+)| +')


def parse(pieces):
    """Values of a response that was cut at its literals: text, literal, text, …"""
    stack = [[]]
    for index, piece in enumerate(pieces):
        if index % 2 == 1:
            stack[-1].append(piece)
            continue
        at = 0
        while at < len(piece):
            m = TOKEN.match(piece, at)
            if not m:
                raise ValueError("no IMAP at %r" % piece[at:at + 60])
            at = m.end()
            if m.group(1) is not None:
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", m.group(1)))
            elif m.group(2) == b"(":
                stack.append([])
            elif m.group(2) == b")":
                done = stack.pop()
                stack[-1].append(done)
            elif m.group(3) is not None:
                atom = Atom(m.group(3))
                stack[-1].append(None if atom == b"NIL" else atom)
    if len(stack) != 1:
        raise ValueError("parentheses don't match: %r" % pieces[0][:200])
    return stack[0]


DOVECOT_IMAP = "/usr/lib/dovecot/imap"

DOVECOT_CONF = """\
mail_location = maildir:{dir}/mail
log_path = {dir}/log
ssl = no
first_valid_uid = 0
protocols = imap
"""


def start_dovecot(directory):
    """Debian's Dovecot as it logs nobody in: its imap process on a pipe, with a mail folder of its own."""
    argv = [DOVECOT_IMAP, "-c", os.path.join(directory, "dovecot.conf")]
    with open(os.path.join(directory, "dovecot.conf"), "w") as f:
        f.write(DOVECOT_CONF.format(dir=directory))
    if os.getuid() == 0:
        # It refuses to serve mail as root.
        user = pwd.getpwnam("mail")
        argv = [shutil.which("setpriv"), "--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid, "--clear-groups"] + argv
        os.chown(directory, user.pw_uid, user.pw_gid)
    env = {"USER": "compare", "HOME": directory, "PATH": os.environ.get("PATH", "")}
    return Client(Pipe(argv, env=env, stderr=subprocess.DEVNULL, cwd=directory))
