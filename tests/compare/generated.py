"""A mailbox of made-up messages in both servers: threads with gaps, doubled and missing ids, the same subjects in many forms, dates in
every zone, senders with and without names. What is drawn is the same each time."""
import os
import random
import time

MAILBOX_SEED = 5256
WORDS = ['alpha', 'Beta', 'gamma', 'Größe', 'café', 'ALPHA', 'build', 'Zebra', 'release', 'patch', 'été', 'naïve', 'status', 'Ångström', 'x']
ZONES = ['+0000', '-0800', '+0530', '+1300', 'GMT', 'EST', '-0330']


def encoded(text, r):
    if text.isascii():
        return text
    return text if r.random() < 0.2 else '=?utf-8?Q?%s?=' % ''.join('=%02X' % b for b in text.encode())


def subject(r):
    base = r.choice(WORDS) + ' ' + r.choice(WORDS) + (' %d' % r.randrange(40) if r.random() < 0.8 else '')
    base = ' '.join(encoded(w, r) for w in base.split(' ')) if r.random() < 0.3 else base.encode('ascii', 'ignore').decode()
    before = r.choice(['', '', '', 'Re: ', 'RE: Re: ', 'Fwd: ', 'fw : ', 'Re[2]: ', '[list] ', '[list] Re: ', 'Re: [list] '])
    return before + base + r.choice(['', '', '', '', ' (fwd)', '  '])


def person(r):
    name, host = r.choice(['anna', 'Bob', 'carl', 'dora', 'Émile', 'zoe', 'root']), r.choice(['example.org', 'example.com', 'b.example'])
    address = name.encode('ascii', 'ignore').decode() + '@' + host
    form = r.randrange(5)
    if form == 0:
        return address
    if form == 1:
        return '%s <%s>' % (encoded(name + ' ' + r.choice(WORDS), r), address)
    if form == 2:
        return '"%s, %s" <%s>' % (r.choice(['Last', 'last', 'Zulu']), name.encode('ascii', 'ignore').decode() or 'x', address)
    return '<%s>' % address


def generate(count, seed=MAILBOX_SEED):
    """[(message, internal date in seconds)]"""
    r = random.Random(seed)
    threads, messages = [], []
    for n in range(count):
        refs, subj = [], subject(r)
        if threads and r.random() < 0.6:
            refs, old = r.choice(threads[-60:])
            refs = list(refs)
            if r.random() < 0.8:
                subj = 'Re: ' + old
        own = '<m%d.%d@example.org>' % (n, r.randrange(1000))
        if r.random() < 0.02 and refs:
            own = refs[-1]
        sent = 1500000000 + (r.randrange(-500000000, 500000000) if r.random() < 0.7 else 3600 * r.randrange(50))
        lines = ['From: ' + person(r), 'To: ' + ', '.join(person(r) for _ in range(r.randrange(1, 4)))]
        if r.random() < 0.4:
            lines.append('Cc: ' + person(r))
        if r.random() < 0.98:
            lines.append('Subject: ' + subj)
        if r.random() < 0.97:
            lines.append('Date: %s %s' % (time.strftime('%a, %d %b %Y %H:%M:%S', time.gmtime(sent)), r.choice(ZONES)))
        if r.random() < 0.97:
            lines.append('Message-ID: ' + own)
        told = refs if r.random() < 0.7 else refs[-2:]
        if told and r.random() < 0.9:
            lines.append('References: ' + '\n '.join(told))
        elif refs:
            lines.append('In-Reply-To: ' + refs[-1])
        threads.append((refs[-12:] + [own] if r.random() < 0.97 else [], subj))
        body = 'x' * r.randrange(2000)
        text = '\n'.join(lines) + '\n\n' + body + '\n'
        messages.append((text.replace('\n', '\r\n').encode(), 1400000000 + r.randrange(100000000)))
    # Some came before those that they answer.
    for _ in range(count // 4):
        i = r.randrange(count)
        j = max(0, min(count - 1, i + r.randrange(-8, 8)))
        messages[i], messages[j] = messages[j], messages[i]
    return messages


def fill_maildir(folder, messages):
    """Puts them where Dovecot finds them, in their order."""
    for sub in ('cur', 'new', 'tmp'):
        os.makedirs(os.path.join(folder, sub), exist_ok=True)
    for n, (message, date) in enumerate(messages):
        path = os.path.join(folder, 'cur', '%d.M%06dP1.host:2,' % (1600000000 + n // 1000, n % 1000))
        with open(path, 'wb') as f:
            f.write(message)
        os.utime(path, (date, date))


def fill_imap(client, mailbox, messages):
    """By MULTIAPPEND, some at a time."""
    for at in range(0, len(messages), 100):
        client.count += 1
        out = b'c%d APPEND %s' % (client.count, mailbox)
        for message, date in messages[at:at + 100]:
            when = time.strftime('%d-%b-%Y %H:%M:%S +0000', time.gmtime(date)).encode()
            out += b' "%s" {%d+}\r\n%s' % (when, len(message), message)
        client.stream.send(out + b'\r\n')
        line = client._line()
        while not line[0].startswith(b'c%d ' % client.count):
            line = client._line()
        assert line[0].startswith(b'c%d OK' % client.count), line
