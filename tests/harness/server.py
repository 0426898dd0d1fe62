"""The server under test: `posthorn demo` in a directory of its own on free ports, or one that runs already.

POSTHORN_BUILD names the build directory (default: build/ in the source tree). POSTHORN_TEST_SERVER names a running server
instead, for trying the tests on another implementation:  imap=10143 imaps=10993 lmtp=10024 users=200 password=pass
"""

import glob
import os
import random
import re
import select
import signal
import socket
import subprocess
import tempfile
import shutil
import time

from .imap import IMAP
from .lmtp import LMTP, wait_until
from . import tls

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OFFSETS = (24, 110, 143, 190, 465, 587, 993, 995)
# The server's own words stand in front; what clients made it log comes behind them.
BAD_LOG = re.compile(r'^(time=\S+ )?level=(error|fatal)\b|^time=\S+ level=\S+ process=\S+ event=sandbox-denied|AddressSanitizer|LeakSanitizer|'
                     r'ThreadSanitizer|MemorySanitizer|runtime error:')


def free_base():
    """A port base whose ports nobody has; servers that start at the same moment are told apart by their number of tries."""
    while True:
        base = random.randrange(10000, 30000)
        socks = []
        try:
            for offset in OFFSETS:
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                socks.append(s)
                s.bind(('127.0.0.1', base + offset))
            return base
        except OSError:
            continue
        finally:
            for s in socks:
                s.close()


def children(pid):
    try:
        with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


class Server:
    host = '127.0.0.1'
    own = True

    def __init__(self, users=20, directory=None, password='secret', args=()):
        self.users = users
        self.password = password
        self.args = list(args)
        self.dir = directory or tempfile.mkdtemp(prefix='posthorn-test.')
        self.remove = directory is None
        os.chmod(self.dir, 0o755)
        self.store = os.path.join(self.dir, 'demo')
        self.log_path = os.path.join(self.dir, 'server.log')
        self.proc = None
        self.taken = 0
        self.start_seconds = None
        self.expect_errors = False      # a test that kills processes expects the server to say so
        build = os.environ.get('POSTHORN_BUILD', os.path.join(ROOT, 'build'))
        self.program = os.path.join(os.path.abspath(build), 'src', 'ctl', 'posthorn')

    def start(self, base=None):
        for attempt in range(5):
            self.base = base or free_base()
            if self.launch():
                return self
            if base is not None:
                # Somebody's connection may have the port for a moment.
                time.sleep(0.5 * attempt)
        raise AssertionError('the server did not start:\n' + self.log()[-4000:])

    def launch(self):
        env = dict(os.environ)
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=0:abort_on_error=0')
        env.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1')
        started = time.monotonic()
        with open(self.log_path, 'ab') as log:
            self.proc = subprocess.Popen(
                [self.program, 'demo', '--dir', self.store, '--users', str(self.users), '--password', self.password,
                 '--port-base', str(self.base)] + self.args,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env, start_new_session=True)
        deadline = started + 60
        out = b''
        while time.monotonic() < deadline:
            if not select.select([self.proc.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                break
            data = os.read(self.proc.stdout.fileno(), 4096)
            out += data
            if re.search(rb'(^|\n)ready', out):
                self.start_seconds = time.monotonic() - started
                self.imap = (self.host, self.base + 143)
                self.imaps = (self.host, self.base + 993)
                self.lmtp = (self.host, self.base + 24)
                return True
            if data == b'':
                break
        self.stop()
        return False

    def stop(self):
        """SIGTERM, as an administrator ends it."""
        if self.proc is None:
            return 0
        pids = self.pids()
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        try:
            code = self.proc.wait(20)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            code = None
        self.proc.stdout.close()
        self.proc = None
        left = []
        for pid in pids:
            try:
                wait_until(lambda: not alive(pid), 5)
            except AssertionError:
                left.append(pid)
                os.kill(pid, signal.SIGKILL)
        if code is None:
            raise AssertionError('the server did not end on SIGTERM:\n' + self.log()[-4000:])
        if left:
            raise AssertionError('processes stayed behind: %r' % left)
        return code

    def pids(self):
        """The pids of all processes of the server."""
        out, todo = [], [self.proc.pid]
        while todo:
            pid = todo.pop()
            out.append(pid)
            todo += children(pid)
        return out

    def role_pid(self, role):
        """The pid of the process of a role ('mail', 'auth'), by its name or its arguments."""
        for pid in self.pids():
            try:
                with open('/proc/%d/comm' % pid) as f:
                    comm = f.read().strip()
                with open('/proc/%d/cmdline' % pid, 'rb') as f:
                    args = f.read().decode('utf-8', 'replace').split('\0')
            except OSError:
                continue
            if comm.endswith(role) or role in args or any(a.endswith(' ' + role) or a.endswith('=' + role) for a in args):
                return pid
        return None

    def kill_role(self, role):
        """kill -9 of one process; returns when it is gone."""
        if not self.kill_role_if_any(role):
            raise AssertionError('no %s process among %r' % (role, self.pids()))

    def kill_role_if_any(self, role):
        """The same, but it may be that there is none, or none yet by that name; false then."""
        pid = self.role_pid(role)
        if pid is None:
            return False
        self.expect_errors = True
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), what='the end of process %d' % pid)
        return True

    def crash(self):
        """kill -9 of all processes at once, as a power cut would end them (the file system survives)."""
        pids = self.pids()
        self.expect_errors = True
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.proc.wait()
        self.proc.stdout.close()
        self.proc = None
        wait_until(lambda: not any(alive(p) for p in pids), what='the end of the server')

    def log(self):
        try:
            with open(self.log_path, errors='replace') as f:
                return f.read()
        except OSError:
            return ''

    def problems(self):
        """Lines of the log, and sanitizer reports, that no test run may produce."""
        out = []
        for line in self.log().splitlines():
            if BAD_LOG.search(line) and not (self.expect_errors and 'level=error' in line):
                out.append(line)
        for path in glob.glob(os.path.join(self.dir, '*san.*')):
            out.append(path)
        return out

    def close(self):
        """Stops the server, removes its directory, and fails when its log tells of an error."""
        try:
            if self.proc is not None:
                self.stop()
            problems = self.problems()
            if problems:
                raise AssertionError('the log of the server has errors:\n' + '\n'.join(problems[:20]) + '\n' +
                                     (self.log()[-8000:] if 'Sanitizer' in problems[0] else ''))
        finally:
            if self.remove and not os.environ.get('POSTHORN_TEST_KEEP'):
                shutil.rmtree(self.dir, ignore_errors=True)

    # Users and connections.

    def user(self):
        """The name of an account that no test has used."""
        self.taken += 1
        if self.taken > self.users:
            raise AssertionError('only %d users' % self.users)
        return 'user%d' % self.taken

    def connect(self, ssl=False, **more):
        return IMAP(self.imaps if ssl else self.imap, ssl=tls.context() if ssl is True else ssl or None, **more)

    def login(self, user, **more):
        c = self.connect(**more)
        c.login(user, self.password)
        return c

    def lmtp_connect(self, **more):
        return LMTP(self.lmtp, **more)


class Foreign(Server):
    """A server that somebody else started and that the tests only talk to."""
    own = False

    def __init__(self, spec):
        given = dict(pair.split('=', 1) for pair in spec.split())
        self.users = int(given.get('users', 200))
        self.password = given.get('password', 'pass')
        self.taken = int(given.get('first', 1)) - 1
        self.imap = (self.host, int(given['imap']))
        self.imaps = (self.host, int(given['imaps']))
        self.lmtp = (self.host, int(given['lmtp']))
        self.proc = None

    def start(self, base=None):
        return self

    def close(self):
        pass


def make(users):
    spec = os.environ.get('POSTHORN_TEST_SERVER')
    return Foreign(spec) if spec else Server(users)
