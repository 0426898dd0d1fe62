"""Roundcube on PHP's built-in server, and a browser that looks at it."""

import os
import shutil
import socket
import sqlite3
import subprocess
import urllib.request

import pytest

from harness.lmtp import wait_until
from clients import tools

ROOT = '/var/lib/roundcube/public_html'
DEFAULTS = '/etc/roundcube/defaults.inc.php'
SCHEMA = '/usr/share/roundcube/SQL/sqlite.initial.sql'

CONFIG = """<?php
$config['db_dsnw'] = 'sqlite:///%(dir)s/db.sqlite?mode=0640';
$config['imap_host'] = '127.0.0.1:%(port)d';
$config['imap_debug'] = true;
$config['smtp_host'] = '127.0.0.1:9';
$config['log_dir'] = '%(dir)s/logs';
$config['temp_dir'] = '%(dir)s/temp';
$config['des_key'] = 'abcdefghijklmnopqrstuvwx';
$config['plugins'] = ['acl', 'archive', 'markasjunk', 'subscriptions_option'];
$config['language'] = 'en_US';
$config['check_all_folders'] = true;
$config['refresh_interval'] = 60;
$config['imap_cache'] = null;
$config['messages_cache'] = false;
"""


class Roundcube:
    """Its web server. `log()` has all that it said to the IMAP server and heard from it."""

    def __init__(self, directory, imap_port):
        self.dir = directory
        for name in ('config', 'logs', 'temp'):
            os.mkdir(os.path.join(directory, name))
        shutil.copy(DEFAULTS, os.path.join(directory, 'config'))
        with open(os.path.join(directory, 'config', 'config.inc.php'), 'w') as f:
            f.write(CONFIG % {'dir': directory, 'port': imap_port})
        with open(os.path.join(directory, 'config', 'mimetypes.php'), 'w') as f:
            f.write('<?php return [];')
        with open(SCHEMA) as f, sqlite3.connect(os.path.join(directory, 'db.sqlite')) as db:
            db.executescript(f.read())
        self.proc = None
        for _ in range(5):
            self.port = free_port()
            with open(os.path.join(directory, 'php.log'), 'ab') as said:
                self.proc = subprocess.Popen(
                    ['php', '-d', 'session.save_path=' + directory, '-S', '127.0.0.1:%d' % self.port, '-t', ROOT],
                    env={'PATH': os.environ['PATH'], 'ROUNDCUBE_CONFIG_DIR': os.path.join(directory, 'config'), 'PHP_CLI_SERVER_WORKERS': '4'},
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)
            if self.answers():
                return
            self.close()
        raise AssertionError('PHP did not start: ' + open(os.path.join(directory, 'php.log')).read())

    def answers(self):
        def is_there():
            try:
                urllib.request.urlopen(self.url(), timeout=30).read()
                return True
            except OSError:
                return self.proc.poll() is not None
        wait_until(is_there, 60, what='a page from PHP')
        return self.proc.poll() is None

    def url(self, query=''):
        return 'http://127.0.0.1:%d/%s' % (self.port, query)

    def log(self, name='imap.log'):
        path = os.path.join(self.dir, 'logs', name)
        if not os.path.exists(path):
            return ''
        with open(path, errors='replace') as f:
            return f.read()

    def close(self):
        # Its workers are processes of the group that was made for it.
        try:
            os.killpg(self.proc.pid, 15)
        except ProcessLookupError:
            pass
        self.proc.wait()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def need():
    tools.need('php', 'chromium', 'chromedriver')
    for path in (DEFAULTS, SCHEMA):
        if not os.path.exists(path):
            pytest.skip('roundcube-core is not installed')
    pytest.importorskip('selenium')


def browser(directory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    for a in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--window-size=1400,900', '--lang=en',
              '--user-data-dir=' + os.path.join(directory, 'chromium')):
        options.add_argument(a)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    return webdriver.Chrome(options=options, service=Service('/usr/bin/chromedriver'))
