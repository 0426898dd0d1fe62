"""Debian's Cyrus IMAP as a second peer of the benchmark (`run.py --cyrus`): its own folder, loopback.

Debian lets only one IMAP server be installed: the packages cyrus-common and sasl2-bin are needed beside Dovecot's, and what
cyrus-imapd has besides is taken out of the package here.
"""
import pathlib
import signal
import socket
import subprocess

from peer_dovecot import make_certificate, wait_port

IMAPD = """\
configdirectory: @DIR@/config
defaultpartition: default
partition-default: @DIR@/spool
sievedir: @DIR@/sieve
admins: cyrus
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: @DIR@/sasldb2
sasl_mech_list: PLAIN LOGIN
unixhierarchysep: yes
altnamespace: yes
virtdomains: no
autocreate_quota: 0
autocreate_inbox_folders: Drafts | Sent | Junk | Trash | Archive
autosubscribe_inbox_folders: Drafts | Sent | Junk | Trash | Archive
duplicatesuppression: no
delete_mode: delayed
expunge_mode: delayed
statuscache: yes
syslog_prefix: bench
lmtp_downcase_rcpt: yes
maxlogins_per_host: 0
imapidletimeout: 60
tls_server_cert: @DIR@/cert.pem
tls_server_key: @DIR@/key.pem
idlesocket: @DIR@/config/socket/idle
"""

SERVICES = """\
START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -C @DIR@/imapd.conf -r"
}
SERVICES {
  imap  cmd="@BIN@/imapd -C @DIR@/imapd.conf -U 1000" listen="127.0.0.1:@IMAP@" prefork=8 maxchild=500
  imaps cmd="@BIN@/imapd -C @DIR@/imapd.conf -s -U 1000" listen="127.0.0.1:@IMAPS@" prefork=8 maxchild=500
  lmtp  cmd="/usr/lib/cyrus/bin/lmtpd -C @DIR@/imapd.conf -a -U 1000" listen="127.0.0.1:@LMTP@" prefork=8 maxchild=200
}
EVENTS {
  checkpoint cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -C @DIR@/imapd.conf -c" period=30
}
DAEMON {
  idled cmd="@BIN@/idled -C @DIR@/imapd.conf"
}
"""


class Cyrus:
    name = "cyrus"

    def __init__(self, folder, users, base):
        self.dir = pathlib.Path(folder)
        self.users, self.is_filled = users, False
        self.imap, self.imaps, self.lmtp = base + 143, base + 993, base + 24
        for sub in ("config", "config/socket", "config/proc", "config/db", "spool", "sieve"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        make_certificate(self.dir)
        for i in range(1, users + 1):
            subprocess.run(["saslpasswd2", "-p", "-c", "-f", str(self.dir / "sasldb2"), f"user{i}"], input=b"pass", check=True)
        unpacked = self.dir / "package"
        unpacked.mkdir()
        subprocess.run(["apt-get", "download", "-q", "cyrus-imapd"], cwd=unpacked, check=True, capture_output=True)
        for package in unpacked.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
        for name, text in (("imapd.conf", IMAPD), ("cyrus.conf", SERVICES)):
            for key, value in (("BIN", unpacked / "usr/lib/cyrus/bin"), ("DIR", self.dir), ("IMAPS", self.imaps), ("IMAP", self.imap), ("LMTP", self.lmtp)):
                text = text.replace(f"@{key}@", str(value))
            (self.dir / name).write_text(text)
        subprocess.run(["chown", "-R", "cyrus:mail", str(self.dir)], check=True)

    def start(self):
        self.process = subprocess.Popen(
            ["/usr/sbin/cyrmaster", "-D", "-C", str(self.dir / "imapd.conf"), "-M", str(self.dir / "cyrus.conf"),
             "-p", str(self.dir / "pid")], stdin=subprocess.DEVNULL, stdout=open(self.dir / "log", "ab"), stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        for port in (self.imap, self.imaps, self.lmtp):
            wait_port(port)
        for i in range(1, 0 if self.is_filled else self.users + 1):
            self.make_account(i)
        self.is_filled = True

    def make_account(self, number):
        """Mailboxes come with the first login; until then LMTP knows nobody."""
        with socket.create_connection(("127.0.0.1", self.imap)) as s, s.makefile("rb") as f:
            s.sendall(b"a LOGIN user%d pass\r\nb LOGOUT\r\n" % number)
            f.read()

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)    # waits for its children
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(10)
