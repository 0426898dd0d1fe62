# Evolution (Camel's IMAPX 3.46), as its log shows it: LIST with STATUS, NOTIFY instead of IDLE, QRESYNC when it returns to a folder.
spec: RFC 5465 3.1, 5; RFC 7162 3.2.5; RFC 6855 3
connections: 2
state: fresh

1 ok login ${user} ${password}
1 ok append INBOX {{{
Subject: one

Text.
}}}
1 ok append INBOX {{{
Subject: two

Text.
}}}
1 ok ENABLE UTF8=ACCEPT
* enabled utf8=accept
1 ok NAMESPACE
* namespace (("" "/")) $ $
1 ok ENABLE CONDSTORE QRESYNC
* enabled condstore qresync
1 ok NOTIFY SET (selected (MessageNew (UID RFC822.SIZE RFC822.HEADER FLAGS BODYSTRUCTURE) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName SubscriptionChange))
1 ok LIST "" INBOX RETURN (CHILDREN SUBSCRIBED STATUS (MESSAGES UNSEEN UIDVALIDITY UIDNEXT HIGHESTMODSEQ) SPECIAL-USE)
* list (\Subscribed \HasNoChildren) "/" INBOX
* status INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY $v UNSEEN 2 HIGHESTMODSEQ $m)
1 ok [read-write] SELECT INBOX
* 2 exists
* ok [highestmodseq ${m}]
1 ok NOOP
1 ok UID FETCH 1:* (UID FLAGS)
* 1 fetch (uid 1 flags ())
* 2 fetch (uid 2 flags ())
1 ok UID FETCH 1:2 (RFC822.SIZE RFC822.HEADER BODYSTRUCTURE FLAGS)
* 1 fetch (uid 1 flags () rfc822.size 23 bodystructure $b rfc822.header $h)
* 2 fetch (uid 2 flags () rfc822.size 23 bodystructure $b2 rfc822.header $h2)

# Other sessions change the folder that it shows.
2 ok login ${user} ${password}
2 ok SELECT INBOX
2 ok STORE 1 +FLAGS.SILENT (\Flagged $Junk)
1 wait
* 1 fetch (uid 1 flags (\Flagged $Junk) modseq ($m2))
2 ok append INBOX {{{
Subject: three

Text.
}}}
1 wait
* 3 exists
* 3 fetch (uid 3 flags () rfc822.size $ rfc822.header $ bodystructure $)

# It changes flags, files, and goes to another folder; what happens meanwhile is told.
1 ok UID STORE 2 +FLAGS.SILENT (\ANSWERED)
* 2 fetch (uid 2 modseq ($m3) !flags)
1 ok SELECT Archive
* ok [closed]
* 0 exists
2 ok STORE 1 +FLAGS.SILENT (\Deleted)
2 ok EXPUNGE
1 wait
* status INBOX (MESSAGES 2 UIDNEXT 4 HIGHESTMODSEQ $m4)
1 ok SELECT INBOX (QRESYNC (${v} ${m2} 1:3))
* ok [closed]
* vanished (EARLIER) 1
* 1 fetch (uid 2 flags (\Answered) modseq (${m3}))
* 2 fetch (uid 3 flags () modseq ($m5))
* 2 exists
1 ok UID MOVE 2 Archive
* ok [copyuid $v2 2 1]
* vanished 2
1 ok STATUS Archive (MESSAGES UNSEEN UIDVALIDITY UIDNEXT HIGHESTMODSEQ)
* status Archive (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ${v2} UNSEEN 1 HIGHESTMODSEQ $)

# Its own message into the selected folder: EXISTS, but no FETCH of what NOTIFY asked for (RFC 5465 5.2).
1 ok [appenduid ${v} 4] APPEND INBOX (\SEEN) "22-Nov-2026 10:17:45 +0000" {{{
Subject: x

body
}}}
* 2 exists
! * 2 fetch ...
1 ok EXPUNGE
1 ok LOGOUT
* bye
