"""Roundcube in headless Chromium: reading, threads, search, folders, shared folders and their rights, quota.

Roundcube's own script (`rcmail`) is told what the buttons tell it; what counts is what a person sees on the page, and what is on the
server afterwards. Its log of the conversation must be without a NO or BAD.
"""

import os
import re
import subprocess

import pytest

from harness.imap import quote
from harness.lmtp import wait_until
from harness.server import Server
from clients import roundcube

pytestmark = pytest.mark.own_server


class Page:
    """What a person has in front of them."""

    # The subjects of the list that are seen: what has been moved away stays in the document, hidden.
    SUBJECTS = ("Array.from(document.querySelectorAll('#messagelist tbody tr.message td.subject span.subject a'))"
                ".filter(a => a.offsetParent !== null).map(a => a.innerText.trim())")

    def __init__(self, driver, web):
        self.driver, self.web = driver, web
        self.may_be_refused = None

    def script(self, code, *args):
        return self.driver.execute_script(code, *args)

    def until(self, condition, what):
        """Waits until the script `condition` says yes."""
        try:
            wait_until(lambda: self.script('return !!(window.rcmail && !rcmail.busy && (%s))' % condition), 90, what=what)
        except AssertionError as e:
            raise AssertionError('%s\nthe page: %s\nthe browser: %r\nIMAP: %s\nPHP: %s' % (
                e, self.text()[:2000], self.driver.get_log('browser')[-5:], self.web.log()[-3000:], self.web.log('errors.log')[-2000:]))

    def text(self):
        return self.script('return document.body.innerText')

    def open(self, query, ready='true'):
        self.driver.get(self.web.url(query))
        self.until(ready, 'the page ' + query)

    def login(self, user, password):
        self.open('', "document.getElementById('rcmloginuser')")
        self.script("""document.getElementById('rcmloginuser').value = arguments[0];
            document.getElementById('rcmloginpwd').value = arguments[1];
            document.getElementById('rcmloginsubmit').click();""", user, password)
        self.until("rcmail.env.task == 'mail' && rcmail.message_list", 'the list of messages')

    def select(self, mailbox):
        self.script('rcmail.command("list", arguments[0])', mailbox)
        self.until('rcmail.env.mailbox == %r' % mailbox, 'the mailbox ' + mailbox)

    def list_is(self, subjects):
        self.until('JSON.stringify(%s) == JSON.stringify(%s)' % (self.SUBJECTS, subjects), 'the list %r' % subjects)

    def uid(self, subject):
        return self.script("""for (const r of document.querySelectorAll('#messagelist tbody tr.message'))
                if (r.querySelector('td.subject span.subject a').innerText.trim() == arguments[0])
                    return rcmail.message_list.rows[r.id] ? rcmail.message_list.rows[r.id].uid : $(r).data('uid') || r.uid;""", subject)

    def pick(self, subject):
        uid = self.uid(subject)
        assert uid, subject
        self.script('rcmail.message_list.select(arguments[0])', str(uid))
        return uid


@pytest.fixture(scope='module')
def running():
    roundcube.need()
    server = Server(users=10)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope='module')
def web(running, tmp_path_factory):
    web = roundcube.Roundcube(str(tmp_path_factory.mktemp('roundcube')), running.imap[1])
    yield web
    web.close()


@pytest.fixture
def page(web, tmp_path):
    driver = roundcube.browser(str(tmp_path))
    before = len(web.log())
    page = Page(driver, web)
    try:
        yield page
        said = web.log()[before:]
        refused = [s for s in said.splitlines() if re.search(r'S: A\d+ (NO|BAD)\b', s) and not (page.may_be_refused and page.may_be_refused in s)]
        assert not refused, refused
        assert web.log('errors.log') == ''
    finally:
        driver.quit()


def letter(subject, number, to='', text='Hello.\r\n'):
    refs = 'In-Reply-To: <%s@test>\r\nReferences: <%s@test>\r\n' % (to, to) if to else ''
    return ('From: Åsa Ek <asa%d@example.org>\r\nTo: bo@example.net\r\nSubject: %s\r\nDate: %d Nov 2026 10:00:00 +0000\r\n'
            'Message-ID: <%s@test>\r\n%sContent-Type: text/plain; charset=utf-8\r\n\r\n%s'
            % (number, subject, number, number, refs, text)).encode()


def test_reading_threads_search_filing(running, page):
    user = running.user()
    c = running.login(user)
    c.append(letter('The plan', 1))
    c.append(letter('Lunch', 2, text='We meet at the harbour\r\n'))
    c.append(letter('Re: The plan', 3, to='1', text='Yes, of course.\r\n'))
    page.login(user, running.password)
    page.list_is(['Re: The plan', 'Lunch', 'The plan'])

    page.open('?_task=mail&_mbox=INBOX&_uid=2&_action=show', "document.body.innerText.includes('We meet at the harbour')")
    c.select()
    assert '\\Seen' in c.ok('UID FETCH 2 (FLAGS)').fetches()[2]['FLAGS']
    c.ok('UNSELECT')

    page.open('?_task=mail&_mbox=INBOX', 'rcmail.message_list')
    page.script("rcmail.set_list_options(null, undefined, undefined, 1)")
    page.until('rcmail.env.threading', 'threads')
    page.script('rcmail.command("expand-all")')
    page.list_is(['The plan', 'Re: The plan', 'Lunch'])
    page.until("document.querySelectorAll('#messagelist tr.thread').length >= 1", 'a thread')
    assert re.search(r'C: A\d+ UID THREAD (REFS|REFERENCES) ', page.web.log())
    page.script("rcmail.set_list_options(null, 'subject', 'ASC', 0)")
    page.until('!rcmail.env.threading', 'a plain list')
    page.list_is(['Lunch', 'The plan', 'Re: The plan'])
    assert re.search(r'C: A\d+ UID SORT (RETURN \(ALL\) )?\(SUBJECT\)', page.web.log())

    page.script("rcmail.env.search_mods = {'*': {text: 1}}; rcmail.env.search_scope = 'base'; "
                "rcmail.set_searchmods && rcmail.set_searchmods({text: 1}); document.querySelector('#mailsearchform').value = 'harbour'; rcmail.command('search')")
    page.list_is(['Lunch'])
    page.script("rcmail.command('reset-search')")
    page.list_is(['Lunch', 'The plan', 'Re: The plan'])

    page.pick('Lunch')
    page.script("rcmail.mark_message('flagged')")
    # Its requests go beside each other: the move must not come before the flag.
    c.ok('SELECT INBOX')
    wait_until(lambda: '\\Flagged' in c.ok('UID FETCH 2 (FLAGS)').fetches()[2]['FLAGS'], 30, what='the flag')
    c.ok('UNSELECT')
    page.script("rcmail.move_messages('Archive')")
    page.list_is(['The plan', 'Re: The plan'])
    page.pick('The plan')
    page.script("rcmail.command('delete')")
    page.list_is(['Re: The plan'])
    wait_until(lambda: c.ok('STATUS Trash (MESSAGES)') and c.ok('STATUS Trash (MESSAGES)').one('STATUS').data[1][1] == 1, 30, what='the trash')
    c.ok('SELECT Archive')
    assert set(map(str, c.ok('FETCH 1 (FLAGS)').fetches()[1]['FLAGS'])) >= {'\\Flagged', '\\Seen'}
    c.ok('UNSELECT')

    page.open('?_task=settings&_action=edit-folder&_mbox=', "document.querySelector('input[name=_name]')")
    page.script("document.querySelector('input[name=_name]').value = 'Ünder wäy'; document.querySelector('input[name=_name]').form.submit()")
    wait_until(lambda: '&ANw-nder w&AOQ-y' in c.ok('LIST "" *').list(), 30, what='the new folder')
    page.open('?_task=mail', "document.body.innerText.includes('Ünder wäy')")
    c.close()


def test_shared_folders_and_quota(running, page):
    owner, reader = running.user(), running.user()
    o, r = running.login(owner), running.login(reader)
    o.ok('CREATE Projects')
    o.append(letter('Blueprint', 4), 'Projects')
    subprocess.run([running.program, '-c', os.path.join(running.store, 'posthornd.conf'), 'user', 'quota', reader, '--storage', '10K'],
                   check=True, stdout=subprocess.DEVNULL)
    r.append(letter('Long', 5, text='x' * 70 + '\r\n' * 2500))

    # The owner gives the rights in Roundcube's own dialogue.
    page.login(owner, running.password)
    page.open('?_task=settings&_action=edit-folder&_mbox=Projects&_framed=1', "document.querySelector('#acltable, #aclform, table')")
    page.script("rcmail.http_post('settings/plugin.acl', {_act: 'save', _user: arguments[0], _acl: 'lrsw', _mbox: 'Projects', _old: ''})", reader)
    wait_until(lambda: re.search(r'\b%s\b' % reader, str(o.ok('GETACL Projects').one('ACL').data)), 30, what='the rights')
    page.driver.delete_all_cookies()

    name = 'Other Users/%s/Projects' % owner
    assert name in r.ok('LIST "" *').list()
    r.ok('SUBSCRIBE ' + quote(name))
    page.login(reader, running.password)
    page.until("document.body.innerText.includes('Projects')", 'the shared folder')
    page.until("document.querySelector('#quotadisplay').innerText.includes('60%')", 'six of ten KB')
    page.select(name)
    page.list_is(['Blueprint'])
    page.pick('Blueprint')
    page.script("rcmail.mark_message('flagged')")
    o.ok('SELECT Projects')
    wait_until(lambda: '\\Flagged' in o.ok('FETCH 1 (FLAGS)').fetches()[1]['FLAGS'], 30, what='the flag')

    # What is taken away is like a mailbox that never was.
    page.may_be_refused = 'NO [NONEXISTENT] '
    o.ok('SETACL Projects %s ""' % reader)
    page.open('?_task=mail', "!document.body.innerText.includes('Blueprint')")
    o.close()
    r.close()
