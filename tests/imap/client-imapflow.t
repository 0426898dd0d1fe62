# imapflow 2.10 (Node.js; EmailEngine, many web mailers), as it logs: IMAP4rev2 with QRESYNC and UTF8=ACCEPT, message ids in every FETCH, IDLE between.
# It also turns on TLS and COMPRESS=DEFLATE, which other tests do.
spec: RFC 9051 6.3.1; RFC 8474 5; RFC 7162 3.1; RFC 6855 3
connections: 2
state: fresh

1 ok CAPABILITY
1 ok ID ("name" "imapflow" "version" "2.10.2" "vendor" "Postal Systems" "support-url" "https://github.com/postalsys/imapflow/issues")
1 ok login ${user} ${password}
1 ok NAMESPACE
1 ok ENABLE CONDSTORE UTF8=ACCEPT QRESYNC IMAP4REV2
* enabled condstore qresync utf8=accept imap4rev2
1 ok LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN) SPECIAL-USE CHILDREN SUBSCRIBED)
* list (\HasNoChildren \Subscribed) "/" INBOX
* status INBOX (messages 0 unseen 0)
* list (\HasNoChildren \Subscribed \Sent) "/" Sent
* list (\HasNoChildren \Subscribed \Drafts) "/" Drafts
1 ok [mailboxid ($id)] CREATE "Büro/日本"
1 ok SUBSCRIBE "Büro/日本"
1 ok [appenduid $v 1] APPEND INBOX (\Seen $Work) {{{
Subject: Grüße
From: a@b.c

Täxt
}}}
1 ok [appenduid ${v} 2] APPEND INBOX {{{
Subject: two
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x

hello
--x
Content-Type: application/pdf
Content-Transfer-Encoding: base64

AAAA
--x--
}}}
1 ok SELECT INBOX
* list $ "/" INBOX
* 2 exists
* ok [uidvalidity ${v}]
* ok [mailboxid ($inbox)]
* ok [highestmodseq $m]
1 ok FETCH 1:* (UID FLAGS BODYSTRUCTURE ENVELOPE INTERNALDATE RFC822.SIZE EMAILID THREADID MODSEQ BODY.PEEK[HEADER.FIELDS (subject)])
* 1 fetch (uid 1 flags (\Seen $Work) rfc822.size 40 emailid ($email) threadid $ modseq $)
* 2 fetch (uid 2 flags () emailid ($email2) modseq (${m}))
1 ok SEARCH UNSEEN
* esearch (tag $) all 2
1 ok SEARCH SUBJECT "Grüße"
* esearch (tag $) all 1
1 ok SEARCH MODSEQ 1
* esearch (tag $) all 1:2 modseq ${m}
1 ok SEARCH HEADER SUBJECT two
* esearch (tag $) all 2
1 ok SEARCH OR SEEN KEYWORD $Work
* esearch (tag $) all 1
1 ok SEARCH EMAILID ${email}
* esearch (tag $) all 1
1 ok FETCH 2 (UID RFC822.SIZE EMAILID MODSEQ BODY.PEEK[2.MIME] BODY.PEEK[2]<0.65536>)
* 2 fetch (uid 2 body[2]<0> "AAAA")
1 ok [modified 1] STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\Flagged)
1 ok STORE 1 +FLAGS (\Flagged)
* 1 fetch (uid 1 flags (\Seen \Flagged $Work) modseq ($m2))
1 ok [copyuid $v2 1 1] COPY 1 Archive
1 ok MOVE 2 "Büro/日本"
* ok [copyuid $v3 2 1]
* vanished 2
1 ok STATUS "Büro/日本" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)
* status "Büro/日本" (messages 1 uidnext 2 uidvalidity ${v3} unseen 1 highestmodseq $)
1 ok GETQUOTAROOT INBOX
1 ok RENAME "Büro/日本" "Büro/x"
1 ok DELETE "Büro/x"

# Another session changes the mailbox while it idles.
2 ok login ${user} ${password}
2 ok SELECT INBOX
1 begin IDLE
+
2 ok APPEND INBOX {{{
Subject: 3

x
}}}
1 wait
* 2 exists
2 ok STORE 1 +FLAGS (\Deleted)
1 wait
* 1 fetch (uid 1 flags (\Seen \Flagged \Deleted $Work))
2 ok EXPUNGE
1 wait
* vanished 1
1 send DONE
1 end ok
1 ok FETCH 1:* (UID FLAGS EMAILID MODSEQ)
* 1 fetch (uid 3 flags () emailid ($) modseq ($))
1 ok LOGOUT
