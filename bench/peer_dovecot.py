"""Debian's Dovecot as the other side of the benchmark: its own folder, loopback, the settings its experts recommend for speed."""
import os
import pathlib
import signal
import socket
import subprocess
import time

CONFIG = r"""
protocols = imap lmtp
listen = 127.0.0.1
base_dir = @DIR@/run
state_dir = @DIR@/state
log_path = @DIR@/log
mail_location = mdbox:~/mdbox
mail_home = @DIR@/mail/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
mail_fsync = optimized
mail_max_userip_connections = 50000
mailbox_list_index = yes
mailbox_list_index_very_dirty_syncs = yes
mdbox_rotate_size = 10M
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_cache_size = 10M
auth_failure_delay = 0
ssl = yes
ssl_cert = <@DIR@/cert.pem
ssl_key = <@DIR@/key.pem
default_client_limit = 30000
default_process_limit = 500
default_vsz_limit = 2G
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u @DIR@/users
}
userdb {
  driver = passwd-file
  args = username_format=%u @DIR@/users
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Drafts {
    special_use = \Drafts
    auto = create
  }
  mailbox Sent {
    special_use = \Sent
    auto = create
  }
  mailbox Junk {
    special_use = \Junk
    auto = create
  }
  mailbox Trash {
    special_use = \Trash
    auto = create
  }
  mailbox Archive {
    special_use = \Archive
    auto = create
  }
}
mail_attribute_dict = file:%h/dovecot-attributes
mail_plugins = acl quota zlib
protocol imap {
  mail_plugins = $mail_plugins imap_acl imap_quota imap_zlib
  imap_metadata = yes
}
protocol lmtp {
  postmaster_address = postmaster@localhost
}
plugin {
  acl = vfile
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=100G
}
service imap-login {
  inet_listener imap {
    port = @IMAP@
  }
  inet_listener imaps {
    port = @IMAPS@
    ssl = yes
  }
  service_count = 0
  process_min_avail = 2
  client_limit = 15000
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = @LMTP@
  }
  process_min_avail = 4
  process_limit = 200
  client_limit = 1
  service_count = 0
}
service imap {
  process_limit = 30000
  process_min_avail = 4
  service_count = 1000
  client_limit = 1
}
service auth {
  client_limit = 60000
  unix_listener auth-userdb {
    mode = 0666
  }
}
service anvil {
  client_limit = 60000
}
service stats {
  client_limit = 60000
  unix_listener stats-writer {
    mode = 0666
  }
}
"""


class Dovecot:
    name = "dovecot"

    def __init__(self, folder, users, base):
        self.dir = pathlib.Path(folder)
        self.imap, self.imaps, self.lmtp = base + 143, base + 993, base + 24
        for sub in ("mail", "state", "run"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        os.chmod(self.dir, 0o755)
        subprocess.run(["chown", "mail:mail", str(self.dir / "mail")], check=True)
        make_certificate(self.dir)
        (self.dir / "users").write_text("".join(
            f"user{i}:{{PLAIN}}pass:8:8::{self.dir}/mail/user{i}::\n" for i in range(1, users + 1)))
        text = CONFIG
        for key, value in (("DIR", self.dir), ("IMAPS", self.imaps), ("IMAP", self.imap), ("LMTP", self.lmtp)):
            text = text.replace(f"@{key}@", str(value))
        (self.dir / "dovecot.conf").write_text(text)

    def start(self):
        subprocess.run(["dovecot", "-c", str(self.dir / "dovecot.conf")], check=True, stdin=subprocess.DEVNULL)
        wait_port(self.imap)
        # It listens before it has written who it is.
        pid = self.dir / "run/master.pid"
        while not (pid.exists() and pid.read_text().strip()):
            time.sleep(0.02)
        self.pid = int(pid.read_text())

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        while pathlib.Path(f"/proc/{self.pid}").exists():
            time.sleep(0.05)


def make_certificate(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
         "-subj", "/CN=localhost", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True)


def wait_port(port, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
