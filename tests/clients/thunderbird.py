"""Thunderbird without a window, driven through Marionette, the remote control that its own tests use: each step is a piece of JavaScript."""

import json
import os
import socket
import subprocess

from harness.lmtp import wait_until

# No dialogs, no start page, nothing from the network; port 0 writes the port taken into the profile.
PREFERENCES = {'marionette.port': 0, 'mail.provider.suppress_dialog_on_startup': True, 'mail.rights.version': 1,
               'datareporting.policy.dataSubmissionPolicyBypassNotification': True, 'app.update.enabled': False,
               'mailnews.start_page.enabled': False, 'mail.spotlight.firstRunDone': True, 'app.donation.eoy.version.viewed': 999,
               'network.captive-portal-service.enabled': False, 'network.connectivity-service.enabled': False,
               'services.settings.server': '', 'extensions.systemAddon.update.enabled': False}

# What each step may use: folders by name, and what the message list shows.
HEAD = '''
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const root = () => MailServices.accounts.accounts[0].incomingServer.rootFolder;
// Versions differ in how they write INBOX.
const box = name => root().subFolders.find(f => f.name.toUpperCase() == name.toUpperCase());
const until = async f => {
  for (let i = 0; i < 600; i++) {
    try { const v = f(); if (v) return v; } catch (e) { }
    await new Promise(r => setTimeout(r, 100));
  }
  throw new Error("it never came true: " + f);
};
const heads = name => {
  const out = [], all = box(name).msgDatabase.enumerateMessages();
  while (all.hasMoreElements()) out.push(all.getNext().QueryInterface(Ci.nsIMsgDBHdr));
  return out;
};
// What comes while it fetches bodies (EXISTS, EXPUNGE) it passes over, until it is told to look or is told something else.
const untilShown = async (name, wanted) => {
  let tries = 0;
  await until(() => {
    if (++tries % 20 == 0) box(name).updateFolder(null);
    return JSON.stringify(show(name)) == wanted;
  });
};
const show = name => heads(name).map(h => [h.mime2DecodedSubject, h.isRead, h.isFlagged, h.getStringProperty("keywords")]);
'''

ACCOUNT = '''
const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
login.init("imap://127.0.0.1", null, "imap://127.0.0.1", user, password, "", "");
await Services.logins.addLoginAsync(login);
const server = MailServices.accounts.createIncomingServer(user, "127.0.0.1", "imap");
server.port = port; server.socketType = 0; server.authMethod = 3; server.loginAtStartUp = false; server.password = password;
const identity = MailServices.accounts.createIdentity(), account = MailServices.accounts.createAccount();
identity.email = user + "@example.org"; identity.valid = true;
account.addIdentity(identity); account.incomingServer = server;
server.performExpand(null);
await until(() => box("Trash"));
return root().subFolders.map(f => f.name).sort();
'''


class Thunderbird:
    def __init__(self, directory):
        profile = os.path.join(directory, 'profile')
        os.makedirs(profile)
        with open(os.path.join(profile, 'user.js'), 'w') as f:
            for name, value in PREFERENCES.items():
                f.write('user_pref(%s, %s);\n' % (json.dumps(name), json.dumps(value)))
        self.log = open(os.path.join(directory, 'thunderbird.log'), 'wb')
        self.p = subprocess.Popen(['thunderbird', '--headless', '--marionette', '-remote-allow-system-access', '--no-remote', '--profile', profile],
                                  stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                  env={'PATH': os.environ['PATH'], 'HOME': directory, 'LC_ALL': 'C.UTF-8'})
        self.sock = None
        self.buf = b''
        self.count = 0
        port = os.path.join(profile, 'MarionetteActivePort')
        try:
            wait_until(lambda: os.path.exists(port) and os.path.getsize(port) > 0, 120, 'the port of Thunderbird')
            with open(port) as f:
                self.sock = socket.create_connection(('127.0.0.1', int(f.read())), 180)
            self.read()
            self.command('WebDriver:NewSession', capabilities={})
            self.command('Marionette:SetContext', value='chrome')
            self.command('WebDriver:SetTimeouts', script=120000)
        except BaseException:
            self.close()
            raise

    def read(self):
        """A packet: its length, a colon, JSON."""
        def more():
            data = self.sock.recv(65536)
            assert data, 'Thunderbird has ended'
            self.buf += data
        while b':' not in self.buf:
            more()
        length, _, self.buf = self.buf.partition(b':')
        while len(self.buf) < int(length):
            more()
        packet, self.buf = self.buf[:int(length)], self.buf[int(length):]
        return json.loads(packet)

    def command(self, name, **parameters):
        self.count += 1
        data = json.dumps([0, self.count, name, parameters]).encode()
        self.sock.sendall(b'%d:%s' % (len(data), data))
        _, _, error, value = self.read()
        assert not error, error
        return value

    def run(self, script, **given):
        """Runs a step in Thunderbird and returns its result; `given` are its variables."""
        body = 'const [%s] = arguments; (async () => {%s %s})().then(v => done({value: v}), e => done({error: String(e)}));' % (
            ', '.join([*given, 'done']), HEAD, script)
        answer = self.command('WebDriver:ExecuteAsyncScript', script=body, args=list(given.values()), newSandbox=False, sandbox='system')['value']
        assert 'error' not in answer, answer['error']
        return answer.get('value')

    def close(self):
        if self.sock is not None:
            self.sock.close()
        self.p.terminate()
        try:
            self.p.wait(30)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.log.close()
