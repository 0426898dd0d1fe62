"""What the processes may not do: capabilities, system calls, files, memory. `posthornd --sandbox-selftest` tries it from inside."""

import ctypes
import errno
import os
import pwd
import re
import shutil
import subprocess
import tempfile

import pytest

from daemon.test_processes import config_of, daemon, has_users, is_sanitized, own, programs, status  # noqa: F401 (own is a fixture)
from harness.lmtp import wait_until

pytestmark = pytest.mark.own_server

# Sanitizers trace themselves and read programs, so these stay possible in builds with one.
WITH_SANITIZER = {
    'read a file outside', 'read /etc/passwd', "read another process's folder", 'list /', 'list the folder above',
    'follow a symbolic link out', "follow one to another's folder", 'go through /proc/self/root', 'go through /proc/self/cwd',
    'fork', 'clone into a namespace', "open another's memory", "read another's environment", 'signal the supervisor', 'signal its group',
    'signal process 1', "signal another's thread", 'trace the supervisor', 'be traced', "read another's memory", 'allow core dumps',
    'raise a limit', 'personality', 'gain an ambient capability', 'read a file of its own', 'list its folder', 'read its program',
}
# What anybody may do who is not confined: these acts are real attempts, and only the sandbox stops them.
HARMLESS = {
    'read /etc/passwd', "read another process's folder", 'list /', 'follow a symbolic link out', 'write a file outside', 'make a file outside',
    'link a file from outside', 'move a file out', 'remove a file outside', 'make a symbolic link', 'make a named pipe', 'chmod outside',
    'make a set-user-id file', 'open its own memory', 'fork', 'clone3', 'execute /bin/true', 'execute itself', 'signal its group',
    'open a process', 'TCP over IPv4', 'UDP', 'netlink socket', 'unix socket', 'unix datagram socket', 'pair of datagram sockets', 'connect',
    'bind', 'listen', 'send to an address', 'make data executable', 'map writable code', 'map more code', 'memfd_create',
}


@pytest.fixture
def for_anybody():
    """A folder that every user may enter, unlike that of a clone in /root."""
    with tempfile.TemporaryDirectory(prefix='posthorn-test.') as folder:
        os.chmod(folder, 0o755)
        yield folder


def selftest(tmp_path, user=None, sandbox='auto', program=None):
    """Name of the process and the act, and what came of it."""
    path = tmp_path / 'c.conf'
    path.write_text('sandbox = %s\n%s' % (sandbox, '' if has_users() else 'user = "root"\nauth_user = "root"\nkey_user = "root"\n'))
    tmp_path.chmod(0o755)
    more = {}
    if user is not None:
        more = {'user': user, 'group': pwd.getpwnam(user).pw_gid, 'extra_groups': []}
    p = subprocess.run([program or programs()[1], '-c', path.name, '--sandbox-selftest'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       timeout=300, cwd=tmp_path, **more)
    lines = re.findall(r'^(auth|key|mail|supervisor) +(\S.*?)  +(killed|refused \(\w+\)|NOT DENIED .*)$', p.stdout, re.M)
    return p, {(process, act): result for process, act, result in lines}


def check_selftest(p, results):
    broken = {act for (_, act), result in results.items() if result.startswith('NOT')}
    if is_sanitized():
        assert broken <= WITH_SANITIZER, p.stdout
    else:
        assert broken == set() and p.returncode == 0, p.stdout
        assert re.search(r'^%d acts tried, all denied$' % len(results), p.stdout, re.M)
    for process, least in ('auth', 100), ('key', 105), ('mail', 100), ('supervisor', 75):
        assert sum(1 for who, _ in results if who == process) >= least


def needs_kernel():
    """Some kernels have no Landlock, or have it switched off; then this test can't hold."""
    try:
        with open('/sys/kernel/security/lsm') as f:
            return 'landlock' in f.read()
    except OSError:
        return True


@pytest.mark.skipif(not needs_kernel(), reason='this kernel has no Landlock')
def test_selftest(tmp_path):
    p, results = selftest(tmp_path)
    check_selftest(p, results)
    assert sum(result == 'killed' for result in results.values()) > 100


@pytest.mark.skipif(os.getuid() != 0, reason='is run as another user only by root')
@pytest.mark.skipif(not needs_kernel(), reason='this kernel has no Landlock')
def test_selftest_as_a_normal_user(tmp_path, for_anybody):
    check_selftest(*selftest(tmp_path, user='nobody', program=shutil.copy(programs()[1], for_anybody)))


def test_the_acts_are_real(tmp_path):
    """Without a sandbox they succeed: so it is the sandbox that denies them."""
    p, results = selftest(tmp_path, sandbox='off')
    assert p.returncode == 1 and 'the sandbox is off' in p.stdout
    for act in HARMLESS:
        assert results[('mail', act)].startswith('NOT DENIED'), act
    for act in 'read a file of its own', 'write a file of its own', 'make a file of its own', 'list its folder', 'read its program':
        assert results[('key', act)].startswith('NOT DENIED'), act
    denied = {act for (_, act), result in results.items() if not result.startswith('NOT')}
    assert len(denied) < (30 if os.getuid() == 0 else 60), denied


def caps(pid):
    s = status(pid)
    return {name: int(s[name].strip(), 16) for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')}


def test_no_capabilities(own):  # noqa: F811
    server = own()
    for role in 'mail', 'key', 'auth':
        c = caps(server.role_pid(role))
        bounding = c.pop('CapBnd')
        assert set(c.values()) == {0}
        if os.getuid() == 0:
            assert bounding == 0
    c = caps(server.proc.pid)
    kept = {'CAP_KILL': 5, 'CAP_SETGID': 6, 'CAP_SETUID': 7, 'CAP_SETPCAP': 8, 'CAP_DAC_READ_SEARCH': 2}
    mask = sum(1 << n for n in kept.values())
    assert c['CapEff'] & ~mask == 0 and c['CapPrm'] & ~mask == 0 and c['CapInh'] == c['CapAmb'] == 0
    if os.getuid() == 0:
        assert c['CapBnd'] & ~mask == 0


def test_no_core_dumps(own):  # noqa: F811
    if is_sanitized():
        return      # looking for leaks needs to see the process
    server = own()
    for pid in server.pids():
        with open('/proc/%d/limits' % pid) as f:
            assert re.search(r'^Max core file size +0 +0 ', f.read(), re.M)
        # What can't be dumped belongs to root.
        assert os.stat('/proc/%d/mem' % pid).st_uid == 0
        s = status(pid)
        assert s['NoNewPrivs'].strip() == '1' and s['Seccomp'].strip() == '2'


def test_limits(own):  # noqa: F811
    """The roles' table bounds descriptors, for good: nobody can raise what the hard limit forbids."""
    server = own()
    for role, most in ('auth', 1024), ('key', 1024), ('mail', None):
        with open('/proc/%d/limits' % server.role_pid(role)) as f:
            soft, hard = map(int, re.search(r'^Max open files +(\d+) +(\d+) ', f.read(), re.M).groups())
        assert soft <= hard
        assert most is None or hard == most, (role, hard)
    server.login('user1', ssl=True).close()


def test_restart_when_confined(own):  # noqa: F811
    """The supervisor has given away what it does not need for this."""
    server = own()
    for role in 'auth', 'key', 'mail', 'key', 'auth', 'mail':
        ready = server.log().count('event=child-ready')
        server.kill_role(role)
        wait_until(lambda: server.log().count('event=child-ready') > ready, 30)
    server.login('user1', ssl=True).close()


def test_required_sandbox(own, tmp_path):  # noqa: F811
    server = own('--set', 'sandbox=require')
    assert 'event=sandbox ' not in server.log()
    server.login('user1', ssl=True).close()
    path = config_of(server)
    path.write_text(path.read_text() + 'sandbox = maybe\n')
    r = daemon(path, '-t')
    assert r.returncode == 1 and 'auto, require, off' in r.stdout


def without_landlock():
    """Makes this process and those that it executes believe that the kernel is an older one."""
    lib = ctypes.CDLL('libseccomp.so.2')
    lib.seccomp_init.restype = ctypes.c_void_p
    allow, errno_unsupported = 0x7fff0000, 0x00050000 | errno.EOPNOTSUPP
    filter = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(allow)))
    call = lib.seccomp_syscall_resolve_name(b'landlock_create_ruleset')
    if lib.seccomp_rule_add(filter, ctypes.c_uint32(errno_unsupported), call, 0) != 0 or lib.seccomp_load(filter) != 0:
        os._exit(99)


@pytest.mark.parametrize('sandbox', ['auto', 'require'])
def test_kernel_without_landlock(tmp_path, sandbox):
    """`auto`: a line in the log says what is missing, all else holds. `require`: not starting, with the reason."""
    path = tmp_path / 'c.conf'
    path.write_text('data_dir = "%s/d"\nrun_dir = "%s/r"\nuser = "root"\nauth_user = "root"\nkey_user = "root"\nsandbox = %s\n'
                    'imap_listen = {}\nimaps_listen = {}\nlmtp_listen = {}\n' % (tmp_path, tmp_path, sandbox))
    log = tmp_path / 'log'
    with open(log, 'w') as f:
        p = subprocess.Popen([programs()[1], '-c', str(path), '-a', 'ready'], stdout=subprocess.PIPE, stderr=f, preexec_fn=without_landlock)
    try:
        line = p.stdout.readline()
    finally:
        p.terminate()
        code = p.wait(60)
        p.stdout.close()
    told = re.findall(r'process=(\w+) event=sandbox detail="Landlock: Operation not supported"', log.read_text())
    if sandbox == 'auto':
        assert line == b'ready\n' and code == 0
        assert sorted(told) == ['auth', 'key', 'mail', 'supervisor']
        assert 'event=sandbox-denied' not in log.read_text()
    else:
        assert line == b'' and code == 1
        assert told == ['supervisor']
