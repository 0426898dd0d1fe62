"""What the tests with real clients share: running a program, trees of mail, comparing."""

import hashlib
import os
import shutil
import subprocess

import pytest

from harness import mail


def need(*programs):
    """Skips the test, with the reason, where a program is missing."""
    for p in programs:
        if shutil.which(p) is None:
            pytest.skip('%s is not installed' % p)


def run(args, cwd=None, env=None, data=None, timeout=120, check=True):
    """Runs a client; fails with all that it said when it fails."""
    e = {'PATH': os.environ['PATH'], 'HOME': str(cwd or '/nonexistent'), 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb', 'TMPDIR': str(cwd or '/tmp')}
    e.update(env or {})
    p = subprocess.run([str(a) for a in args], cwd=cwd, env=e, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    out = p.stdout.decode('utf-8', 'replace')
    if check and p.returncode != 0:
        raise AssertionError('%s ended with %d:\n%s' % (args[0], p.returncode, out[-6000:]))
    return out


def digest(message):
    """A message without what clients add (X-TUID, X-OfflineIMAP) and without the difference of line ends."""
    message = message.replace(b'\r\n', b'\n')
    head, sep, body = message.partition(b'\n\n')
    lines = [s for s in head.split(b'\n') if not s.lower().startswith((b'x-tuid:', b'x-offlineimap:'))]
    return hashlib.sha256(b'\n'.join(lines) + sep + body).hexdigest()


def on_server(c):
    """Mailbox → sorted list of (digest, flags) of all its messages."""
    out = {}
    for name, attrs in c.ok('LIST "" *').list().items():
        if attrs & {'\\noselect', '\\nonexistent'}:
            continue
        c.ok('EXAMINE "%s"' % name)
        got = c.ok('FETCH 1:* (FLAGS BODY.PEEK[])').fetches() if c.exists else {}
        out[name] = sorted((digest(a['BODY[]']), tuple(sorted(f for f in map(str.lower, map(str, a['FLAGS'])) if f in FLAGS.values())))
                           for a in got.values())
        c.ok('UNSELECT')
    return out


FLAGS = {'S': '\\seen', 'R': '\\answered', 'F': '\\flagged', 'D': '\\draft', 'T': '\\deleted'}


def in_maildir(root, names):
    """The same of Maildir folders: `names` maps the mailbox to the folder's path below `root`."""
    out = {}
    for name, path in names.items():
        messages = []
        for sub in ('cur', 'new'):
            d = os.path.join(root, path, sub)
            for f in os.listdir(d) if os.path.isdir(d) else ():
                with open(os.path.join(d, f), 'rb') as h:
                    data = h.read()
                letters = f.rpartition(':2,')[2] if ':2,' in f else ''
                messages.append((digest(data), tuple(sorted(FLAGS[x] for x in letters if x in FLAGS))))
        out[name] = sorted(messages)
    return out


def put_in_maildir(root, path, message, letters='S', key='x'):
    """A message that appears locally, as a mail reader would save it."""
    d = os.path.join(root, path)
    for sub in ('cur', 'new', 'tmp'):
        os.makedirs(os.path.join(d, sub), exist_ok=True)
    name = '1600000000.%s.test:2,%s' % (key, letters)
    with open(os.path.join(d, 'tmp', 'w'), 'wb') as f:
        f.write(message.replace(b'\r\n', b'\n'))
    os.rename(os.path.join(d, 'tmp', 'w'), os.path.join(d, 'cur', name))


def fill(c, boxes):
    """Makes mailboxes and messages on the server; mailbox → number of messages."""
    k = 0
    for name, count in boxes.items():
        if name not in c.ok('LIST "" "%s"' % name).list():
            c.ok('CREATE "%s"' % name)
        for n in range(count):
            k += 1
            c.append(mail.simple('%s number %d' % (name, n), 'Body %d of %s\n.\nFrom here on\n' % (n, name) * (n + 1)), name,
                     flags=['', '\\Seen', '\\Flagged \\Seen', '\\Answered'][k % 4])
