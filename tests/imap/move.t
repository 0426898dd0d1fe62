# MOVE gives the copies new UIDs in one step; the other connection sees the originals go.
spec: RFC 6851 3.1, 3.3
connections: 2
messages: 3
create: ${mailbox}2

1 ok move 2 ${mailbox}2
* ok [copyuid $validity $uid $newuid]
* 2 expunge
2 ok noop
* 2 expunge
1 ok select ${mailbox}2
* 1 exists
* ok [uidvalidity $validity]
1 ok fetch 1 (uid body.peek[header.fields (subject)])
* 1 fetch (uid $newuid BODY[HEADER.FIELDS (SUBJECT)] {{{
Subject: Message 2

}}})
