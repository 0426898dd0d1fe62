"""A client that reads fast and checks nothing but the tagged answer, for tests of much and many; and what a process used."""

import glob
import socket
import time


class Plain:
    def __init__(self, server, user=None, timeout=120, port=None):
        self.sock = socket.create_connection(port or server.imap, timeout)
        self.file = self.sock.makefile('rb', 1 << 16)
        self.file.readline()
        if user is not None:
            self.ok('LOGIN %s %s' % (user, server.password))

    def send(self, text):
        self.sock.sendall(text.encode() if isinstance(text, str) else text)

    def answer(self):
        """The tagged line; literals are read over."""
        while True:
            line = self.file.readline()
            if line == b'':
                raise AssertionError('the server closed the connection')
            if line.endswith(b'}\r\n') and b'{' in line:
                self.file.read(int(line[line.rindex(b'{') + 1:-3]))
            elif line.startswith(b'a '):
                return line

    def do(self, text):
        self.send(b'a %s\r\n' % (text.encode() if isinstance(text, str) else text))
        return self.answer()

    def ok(self, text):
        line = self.do(text)
        assert line.startswith(b'a OK'), (text[:100], line)
        return line

    def append(self, message, box='INBOX'):
        self.send(b'a APPEND %s {%d+}\r\n' % (box.encode(), len(message)))
        self.send(message)
        self.send(b'\r\n')
        return self.answer()

    def fill(self, count, message, box='INBOX'):
        """Selects a mailbox that has so many messages, one in a hundred of them different."""
        have = min(count, max(100, count // 100))
        for first in range(0, have, 100):
            self.send(b'a APPEND ' + box.encode())
            for i in range(first, min(have, first + 100)):
                numbered = b'X-Number: %d\r\n' % i + message
                self.send(b' {%d+}\r\n' % len(numbered) + numbered)
            self.send(b'\r\n')
            assert self.answer().startswith(b'a OK')
        self.ok('SELECT %s' % box)
        while have < count:
            more = min(have, count - have, 100000)
            self.ok('COPY 1:%d %s' % (more, box))
            have += more
        self.ok('NOOP')

    def close(self):
        self.file.close()
        self.sock.close()


def cpu_seconds(pid):
    """Processor time of all threads that a process has, exactly."""
    total = 0
    for path in glob.glob('/proc/%d/task/*/schedstat' % pid):
        try:
            with open(path) as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def memory_kib(pid):
    """Memory of a process that is its own, and the most that it has had since reset_peak()."""
    with open('/proc/%d/status' % pid) as f:
        values = dict(line.split(':', 1) for line in f.read().splitlines())
    return int(values['RssAnon'].split()[0]), int(values['VmHWM'].split()[0])


class Pinger:
    """A client that asks for something short again and again; `worst` is how long it had to wait."""

    def __init__(self, server, user, commands=('NOOP',)):
        import threading
        self.client = Plain(server, user)
        self.commands = commands
        self.worst = 0
        self.waits = []
        self.is_over = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        i = 0
        while not self.is_over:
            began = time.monotonic()
            self.client.ok(self.commands[i % len(self.commands)])
            self.waits.append(time.monotonic() - began)
            i += 1
            time.sleep(0.005)

    def stop(self):
        self.is_over = True
        self.thread.join()
        self.client.close()
        return max(self.waits)
