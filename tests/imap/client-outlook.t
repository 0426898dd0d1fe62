# Outlook: no LIST-EXTENDED, LSUB and XLIST, UID FETCH with macros and BODY.PEEK of the whole, STATUS of every folder.
spec: RFC 3501 6.3.9; XLIST as Gmail had it
state: fresh

1 ok login ${user} ${password}
1 ok xlist "" "*"
* xlist (\inbox ...) "/" inbox
* xlist (\sent ...) "/" sent
* xlist (\trash ...) "/" trash
1 ok lsub "" "*"
1 ok list "" "%"
* list $ "/" inbox
1 ok subscribe INBOX
1 ok lsub "" "*"
* lsub $ "/" inbox
1 ok append "INBOX" (\Seen) "25-Dec-2021 10:00:00 +0100" {{{
From: a@example.org
Subject: one

Text.
}}}
1 ok status "Sent" (UIDNEXT MESSAGES UNSEEN RECENT)
* status sent (uidnext $a messages 0 unseen 0 recent 0)
1 ok select "INBOX"
* 1 exists
* flags ...
1 ok UID FETCH 1:* (UID FLAGS)
* 1 fetch (uid $u flags (\seen))
1 ok UID FETCH ${u} (BODY.PEEK[HEADER] ENVELOPE RFC822.SIZE UID FLAGS INTERNALDATE)
* 1 fetch (uid ${u} INTERNALDATE "25-Dec-2021 10:00:00 +0100")
1 ok UID FETCH ${u} (UID BODY.PEEK[])
* 1 fetch (uid ${u})
1 ok UID STORE ${u} +FLAGS.SILENT (\Deleted \Seen)
1 ok EXPUNGE
* 1 expunge
1 ok CHECK
1 ok NOOP
1 ok LOGOUT
* bye
