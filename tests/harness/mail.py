"""Messages for tests, each with what a server must say of it beside it."""


def crlf(text):
    return text.replace('\n', '\r\n').encode()


def simple(subject='Hello', body='Text.\n', sender='Anna Alm <anna@example.org>', to='Bo Berg <bo@example.net>',
           date='Mon, 7 Feb 1994 21:52:25 -0800', extra=''):
    return crlf('From: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: <%s@example.org>\n%s\n%s'
                % (sender, to, subject, date, subject.replace(' ', '.').replace('<', '').replace('>', ''), extra, body))


def numbered(n):
    """The n-th message of a test mailbox: number n is in its subject, and each has another size."""
    return simple('Message %d' % n, 'Body of message %d.\n' % n + 'x' * n + '\n',
                  date='Tue, %d Mar 2022 10:00:00 +0000' % (1 + n % 28))


# The example of RFC 3501 section 8.
RFC3501 = crlf('''Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev1 WG mtg summary and minutes
To: imap@cac.washington.edu
Cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

Body line 1.
Body line 2.
''')

# The shape of the example of RFC 3501 6.4.5: parts 1, 2, 3 (a message), 4 (a multipart whose part 2 is a message).
NESTED = crlf('''From: Fred Foobar <foobar@Blurdybloop.COM>
To: mooch@owatagu.siam.edu
Subject: nested
Date: Mon, 7 Feb 1994 21:52:25 -0800
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

Preamble.
--outer
Content-Type: text/plain; charset=us-ascii
Content-Description: first

Part one.
--outer
Content-Type: application/octet-stream; name="two.bin"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="two.bin"
Content-ID: <two@example.org>

AAECAwQFBgcICQ==
--outer
Content-Type: message/rfc822

From: inner@example.org
Subject: inner three
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain

Three one.
--inner
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable
Content-Language: en, de
Content-Location: http://example.org/three

<p>caf=C3=A9</p>
--inner--
--outer
Content-Type: multipart/mixed; boundary="four"

--four
Content-Type: image/gif
Content-Transfer-Encoding: base64
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==

R0lGODlh
--four
Content-Type: message/rfc822

From: deep@example.org
Subject: deep
Content-Type: text/plain

Four two text.
--four--
--outer--
Epilogue.
''')

ADDRESSES = crlf('''From: "Smith, J." <smith@example.org>, plain@example.org
Sender: The Sender <sender@example.org>
Reply-To: reply@example.org
To: Friends: a@example.org, "B \\"Quote\\" B" <b@example.org>;, c@example.org
Cc: undisclosed-recipients:;
Bcc: hidden@example.org
Subject: =?utf-8?q?caf=C3=A9?= au lait
In-Reply-To: <before@example.org>
Message-ID: <this@example.org>
Date: Fri, 13 May 2022 12:00:00 +0200

Text.
''')

UTF8_TEXT = crlf('''From: =?utf-8?q?J=C3=BCrgen?= <jurgen@example.org>
To: x@example.org
Subject: =?utf-8?b?w5xiZXJncsO2w59l?=
Date: Fri, 13 May 2022 12:00:00 +0200
Message-ID: <utf8@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

''') + __import__('base64').encodebytes('Größe und Straße, 日本語\r\n'.encode()).replace(b'\n', b'\r\n')


def sized(size, subject='Sized'):
    """A message of exactly `size` bytes."""
    head = simple(subject, '')
    rest = size - len(head)
    lines = (b'0123456789' * 7 + b'abcdef\r\n') * (rest // 78 + 1)
    body = bytearray(lines[:rest])
    if rest >= 2:
        body[-2:] = b'\r\n'
    if rest >= 4 and body[-3:-2] == b'\r':
        body[-3:-2] = b'x'
    return head + bytes(body)
