"""What depends on the configuration: TLS only, client certificates, SNI, timeouts, limits, reload. Each test has a server of its own."""

import os
import signal
import ssl
import subprocess
import time

import pytest

from harness import mail, tls
from harness.imap import Lit
from harness.lmtp import wait_until
from harness.parse import ProtocolError
from harness.server import Server

pytestmark = pytest.mark.own_server


@pytest.fixture
def start():
    """start(option='value', ...) starts a server with these options."""
    running = []

    def make(users=5, **options):
        args = []
        for name, value in options.items():
            args += ['--set', '%s=%s' % (name, value)]
        s = Server(users=users, args=args)
        running.append(s)
        s.start()
        return s

    yield make
    for s in running:
        s.close()


def openssl(*args, cwd):
    subprocess.run(['openssl'] + [str(a) for a in args], cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def certificate(folder, name, ca=None, san=None):
    """name.key and name.pem, self-signed or signed by `ca`."""
    args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj', '/CN=' + name,
            '-keyout', name + '.key', '-out', name + '.pem']
    if san:
        args += ['-addext', 'subjectAltName=' + san]
    if ca:
        args += ['-CA', ca + '.pem', '-CAkey', ca + '.key', '-addext', 'basicConstraints=critical,CA:FALSE']
    try:
        openssl(*args, cwd=folder)
    except subprocess.CalledProcessError:
        # openssl before 3.? has no -CA for req: make a request and sign it.
        openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=' + name, '-keyout', name + '.key', '-out', name + '.csr',
                cwd=folder)
        openssl('x509', '-req', '-in', name + '.csr', '-CA', ca + '.pem', '-CAkey', ca + '.key', '-CAcreateserial', '-days', '30', '-out', name + '.pem', cwd=folder)
    for suffix in ('.key', '.pem'):
        os.chmod(os.path.join(folder, name + suffix), 0o644)


def served_name(server, name):
    """The common name of the certificate that is shown for a server name."""
    import socket
    sock = tls.wrap(tls.context(), socket.create_connection(server.imaps, 20), name)
    der = sock.getpeercert(True)
    sock.close()
    text = subprocess.run(['openssl', 'x509', '-inform', 'DER', '-noout', '-subject'], input=der, stdout=subprocess.PIPE, check=True).stdout.decode()
    return text.strip().rpartition('CN = ')[2]


def test_no_password_in_clear(start):
    """RFC 3501 6.2.3, 11.1: LOGINDISABLED, and a refusal with PRIVACYREQUIRED; SCRAM needs no TLS; after STARTTLS all is open."""
    s = start(cleartext_login='never')
    c = s.connect()
    caps = c.capabilities()
    assert 'LOGINDISABLED' in caps and 'STARTTLS' in caps
    assert not caps & {'AUTH=PLAIN', 'AUTH=LOGIN'}
    c.no('LOGIN user1 secret', code='PRIVACYREQUIRED')
    c.refused('AUTHENTICATE PLAIN AHVzZXIxAHNlY3JldA==')
    c.starttls(tls.context())
    assert 'LOGINDISABLED' not in c.capabilities()
    c.ok('LOGIN user1 secret')
    c.close()


def test_client_certificate(start, tmp_path):
    """AUTHENTICATE EXTERNAL with a certificate of the CA that the configuration names: the name in it logs in, another does not."""
    os.chmod(tmp_path, 0o755)
    certificate(tmp_path, 'ca')
    certificate(tmp_path, 'user1', ca='ca')
    certificate(tmp_path, 'stranger')
    s = start(tls_client_ca='%s/ca.pem' % tmp_path)
    context = tls.context()
    context.load_cert_chain(tmp_path / 'user1.pem', tmp_path / 'user1.key')
    c = s.connect(ssl=context)
    assert 'AUTH=EXTERNAL' in c.capabilities()
    c.ok('AUTHENTICATE EXTERNAL =')
    c.select()
    c.close()
    c = s.connect(ssl=context)
    c.no('AUTHENTICATE EXTERNAL dXNlcjI=')
    c.close()
    # Whoever shows none logs in with a password, as ever.
    c = s.connect(ssl=True)
    assert 'AUTH=EXTERNAL' not in c.capabilities()
    c.ok('LOGIN user2 secret')
    c.close()
    # A certificate of nobody's CA does not count.
    context = tls.context(ssl.TLSVersion.TLSv1_2)
    context.load_cert_chain(tmp_path / 'stranger.pem', tmp_path / 'stranger.key')
    try:
        c = s.connect(ssl=context)
        assert c.refused('AUTHENTICATE EXTERNAL =').status in ('NO', 'BAD')
        c.close()
    except (OSError, ProtocolError):
        pass


def test_server_names(start, tmp_path):
    """SNI chooses the certificate; the first is for whoever names none that we have."""
    os.chmod(tmp_path, 0o755)
    certificate(tmp_path, 'one.example', san='DNS:one.example')
    certificate(tmp_path, 'two.example', san='DNS:two.example')
    s = start(tls_certs='{"%s/one.example.pem", "%s/two.example.pem"}' % (tmp_path, tmp_path),
              tls_keys='{"%s/one.example.key", "%s/two.example.key"}' % (tmp_path, tmp_path))
    assert served_name(s, 'one.example') == 'one.example'
    assert served_name(s, 'two.example') == 'two.example'
    assert served_name(s, 'other.example') == 'one.example'


def test_new_certificate_without_restart(start, tmp_path):
    """SIGHUP swaps the certificate; sessions go on."""
    os.chmod(tmp_path, 0o755)
    certificate(tmp_path, 'old.example')
    for suffix in ('.pem', '.key'):
        os.rename(tmp_path / ('old.example' + suffix), tmp_path / ('server' + suffix))
    s = start(tls_certs='{"%s/server.pem"}' % tmp_path, tls_keys='{"%s/server.key"}' % tmp_path)
    assert served_name(s, 'x') == 'old.example'
    c = s.login('user1', ssl=True)
    certificate(tmp_path, 'new.example')
    for suffix in ('.key', '.pem'):
        os.rename(tmp_path / ('new.example' + suffix), tmp_path / ('server' + suffix))
    s.proc.send_signal(signal.SIGHUP)
    wait_until(lambda: served_name(s, 'x') == 'new.example', what='the new certificate')
    c.ok('NOOP')
    c.select()
    c.close()


def test_sighup_drops_no_session(start):
    s = start()
    c = s.login('user1')
    c.select()
    tag = c.idle()
    for _ in range(3):
        s.proc.send_signal(signal.SIGHUP)
    other = s.login('user1')
    other.append(mail.numbered(1))
    c.wait_name('EXISTS', 1)
    c.done(tag)
    c.close()
    other.close()


def test_login_timeout(start):
    """Who does not log in is sent away."""
    s = start(login_timeout='1s')
    c = s.connect()
    started = time.monotonic()
    rest = c.closed()
    assert time.monotonic() - started > 0.5
    assert any(r.name == 'BYE' for r in rest)
    # A command that is no login buys no time for ever.
    kept = s.login('user1')
    assert kept.ok('NOOP')
    kept.close()


def test_idle_timeout(start):
    """RFC 3501 5.4: the autologout timer; any command resets it."""
    s = start(idle_timeout='2s')
    c = s.login('user1')
    c.select()
    started = time.monotonic()
    while time.monotonic() - started < 3:
        c.ok('NOOP')
        c.silent(0.3)
    rest = c.closed()
    assert any(r.name == 'BYE' for r in rest)


def test_connections_are_bounded(start):
    """Over the bound a connection gets BYE or is closed; when others have gone, there is room again."""
    s = start(connections_max='10')
    held = []
    refused = False
    for _ in range(30):
        try:
            c = s.connect()
            if c.greeting.name == 'BYE':
                refused = True
                c.close()
                break
            held.append(c)
        except (ProtocolError, OSError):
            refused = True
            break
    assert refused and len(held) <= 10
    for c in held:
        c.close()

    def again():
        try:
            c = s.connect()
            ok = c.greeting.name == 'OK'
            c.close()
            return ok
        except (ProtocolError, OSError):
            return False
    wait_until(again, what='room for another connection')


def test_message_size(start):
    """The configured limit is told and kept: at it a message is taken, one octet above it is not."""
    s = start(message_size_max='100000')
    c = s.login('user1')
    assert 'APPENDLIMIT=100000' in c.capabilities()
    c.append(mail.sized(100000))
    c.no('APPEND INBOX ', Lit(mail.sized(100001)), code='TOOBIG')
    c.no('APPEND INBOX ', Lit(mail.sized(100001), plus=True), code='TOOBIG')
    # Two that are too much together (RFC 3502) are none too big.
    c.no('APPEND INBOX ', Lit(mail.sized(60000), plus=True), ' ', Lit(mail.sized(60000), plus=True), code='LIMIT')
    c.no('APPEND INBOX CATENATE (TEXT ', Lit(mail.sized(60000), plus=True), ' TEXT ', Lit(mail.sized(60000), plus=True), ')', code='TOOBIG')
    c.ok('NOOP')
    c.close()
    l = s.lmtp_connect()
    l.lhlo()
    assert l.keywords['SIZE'] == '100000'
    assert l.deliver(mail.sized(99000), ['user1'])[0].code == 250
    # Longer than it was said to be, or said nothing: refused after the data, and the session goes on.
    assert l.deliver(mail.sized(200000), ['user1'])[0].code == 552
    assert l.deliver(mail.sized(1000), ['user1'])[0].code == 250
    l.quit()


def resident(pid):
    """(now, highest) resident memory in KiB."""
    with open('/proc/%d/status' % pid) as f:
        values = dict(line.split(':', 1) for line in f)
    return int(values['VmRSS'].split()[0]), int(values['VmHWM'].split()[0])


def sanitized(program):
    with open(program, 'rb') as f:
        return b'__asan_init' in f.read()


def rss_anonymous(pid):
    with open('/proc/%d/status' % pid) as f:
        values = dict(line.split(':', 1) for line in f)
    return int(values['RssAnon'].split()[0])


def test_large_message_does_not_fill_memory(start):
    """A message of 60 MB streams through: memory does not follow its size."""
    s = start()
    if sanitized(s.program):
        pytest.skip('sanitizers keep memory')
    c = s.login('user1')
    for _ in range(2):
        c.append(mail.sized(60 * 1000 * 1000))      # what the engine's own buffers take, they have taken
    pid = s.role_pid('mail')
    before = rss_anonymous(pid)
    highest = before
    head = b'z1 APPEND INBOX {%d+}\r\n' % (60 * 1000 * 1000)
    message = mail.sized(60 * 1000 * 1000)
    c.send(head)
    c.pending.append(('z1', 'APPEND'))
    for start_at in range(0, len(message), 1000000):
        c.sock.sendall(message[start_at:start_at + 1000000])
        highest = max(highest, rss_anonymous(pid))
    c.sock.sendall(b'\r\n')
    assert c.end('z1').status == 'OK'
    print('before %d KiB, highest %d KiB' % (before, highest))
    assert highest - before < 4 * 1024
    c.select()
    assert c.body(3) == message
    c.close()


def used(folder):
    total = 0
    for where, _, files in os.walk(folder):
        for f in files:
            try:
                total += os.stat(os.path.join(where, f)).st_blocks * 512
            except OSError:
                pass
    return total


def test_message_to_many_recipients_is_stored_once(start):
    """A message of 1 MB to 200 recipients takes little more room than to one."""
    s = start(users=200)
    l = s.lmtp_connect()
    noise = b'Subject: shared\r\n\r\n' + b''.join(b'%s\r\n' % os.urandom(35).hex().encode() for _ in range(14000))
    before = used(s.store)
    assert all(r.code == 250 for r in l.deliver(noise, ['user%d' % n for n in range(1, 201)]))
    grown = used(s.store) - before
    print('%d bytes for a message of %d' % (grown, len(noise)))
    assert grown < 12 * len(noise)
    c = s.login('user150')
    c.select()
    assert c.body(1).endswith(noise)
    c.close()
    l.close()


def test_wrong_passwords_are_slowed_down(start):
    """A delay that grows, for the address or the account; another account of another address is not the subject here."""
    s = start(auth_failure_delay='500ms')
    c = s.connect()
    started = time.monotonic()
    c.no('LOGIN user1 wrong')
    assert time.monotonic() - started > 0.4
    c.close()


def test_all_processes_are_unprivileged(start):
    """Started by root, the mail and auth processes run as users of their own, which differ; none of them may gain privileges."""
    if os.geteuid() != 0:
        pytest.skip('needs root')
    s = start()
    owners = {}
    for role in ('mail', 'auth'):
        pid = s.role_pid(role)
        with open('/proc/%d/status' % pid) as f:
            values = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
        owners[role] = values['Uid'].split()[0]
        assert owners[role] != '0'
        assert values['NoNewPrivs'] == '1'
        assert values['CapEff'].strip('0') == ''
    assert owners['mail'] != owners['auth']


def test_configuration_errors_are_told(start, tmp_path):
    """An unknown option: file, line and the nearest name; the server does not start."""
    s = Server(users=1)
    daemon = os.path.join(os.path.dirname(os.path.dirname(s.program)), 'daemon', 'posthornd')
    config = tmp_path / 'conf'
    config.write_text('data_dir = "%s"\nimap_lisen = {"127.0.0.1:1"}\n' % tmp_path)
    p = subprocess.run([daemon, '-t', '-c', config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = p.stdout.decode()
    assert p.returncode != 0 and 'conf:2' in out.replace(str(config), 'conf') and 'imap_listen' in out
    config.write_text('idle_timeout = "soon"\n')
    p = subprocess.run([daemon, '-t', '-c', config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert p.returncode != 0 and 'idle_timeout' in p.stdout.decode()
    config.write_text('')
    assert subprocess.run([daemon, '-t', '-c', config], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT).returncode == 0
    s.close()
