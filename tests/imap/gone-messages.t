# Messages that another session has expunged and that may not be told of yet: their numbers still name them, so nothing is done by halves.
spec: RFC 2180 4.1, 4.2, 4.4; RFC 9051 6.4.6, 6.4.7, 7.5.1
connections: 2
messages: 4
create: ${mailbox}2

2 ok store 2 +flags.silent (\deleted)
2 ok expunge
1 no [expungeissued] copy 1:3 ${mailbox}2
! * 2 expunge
1 ok status ${mailbox}2 (messages)
* status ${mailbox}2 (messages 0)
* 2 expunge
2 ok store 2 +flags.silent (\deleted)
2 ok expunge
1 ok fetch 1 (flags)
! * 2 expunge
1 no [expungeissued] copy 1:3 ${mailbox}2
1 no [expungeissued] store 1:3 +flags (\flagged)
* 1 fetch (flags (\flagged))
* 3 fetch (flags (\flagged))
! * 2 expunge
1 no [expungeissued] move 1:3 ${mailbox}2
* 2 expunge
1 ok [copyuid $v 1,4 1:2] uid copy ${uid1}:${uid4} ${mailbox}2
1 ok status ${mailbox}2 (messages)
* status ${mailbox}2 (messages 2)
