"""The tool, used by root, on the store of a server that another user runs."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from daemon.test_processes import programs
from harness.server import free_base

pytestmark = [pytest.mark.own_server, pytest.mark.skipif(os.getuid() != 0, reason='root is asked for')]


class Mine:
    """A demo server run by nobody, in a folder that nobody can reach."""

    def __init__(self, folder):
        self.folder = folder
        self.base = free_base()
        self.nobody = pwd.getpwnam('nobody')
        self.tool = shutil.copy(programs()[0], folder)
        shutil.copy(programs()[1], folder)
        self.store = folder / 'store'
        self.store.mkdir()
        os.chown(self.store, self.nobody.pw_uid, self.nobody.pw_gid)

    def once(self):
        """Starts it, waits until it serves, ends it."""
        p = subprocess.Popen([self.tool, 'demo', '--dir', str(self.store), '--users', '2', '--port-base', str(self.base)], cwd='/', text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, user='nobody', group=self.nobody.pw_gid, extra_groups=[])
        line = p.stdout.readline()
        p.terminate()
        rest, log = p.communicate(timeout=60)
        assert line.startswith('ready') and p.returncode == 0 and 'level=error' not in log, line + rest + log

    def run(self, *args):
        p = subprocess.run([self.tool, '-c', str(self.store / 'posthornd.conf'), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        assert p.returncode == 0, p.stdout
        return p.stdout

    def strangers(self):
        return [str(p) for p in (self.store / 'data').rglob('*') if p.lstat().st_uid != self.nobody.pw_uid]


@pytest.fixture
def mine():
    with tempfile.TemporaryDirectory(prefix='posthorn-test.') as folder:
        os.chmod(folder, 0o755)
        yield Mine(pathlib.Path(folder))


def test_root_and_the_store_of_another(mine):
    """Its errors tell to run it as root or as the user that posthornd runs as. Root's work leaves nothing behind that the server can't open."""
    mine.once()
    assert mine.strangers() == []
    assert 'user2' in mine.run('user', 'list')
    mine.run('user', 'add', 'joe', '--password', 'hunter2')
    assert ' 0 findings' in mine.run('verify')
    (mine.store / 'data/mail/lock').unlink()
    mine.run('backup', str(mine.folder / 'backup'))
    assert mine.strangers() == []
    mine.once()
    assert 'joe' in mine.run('user', 'list')
