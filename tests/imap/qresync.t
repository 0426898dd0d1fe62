# What vanished while a client was away, and what vanishes under it.
spec: RFC 7162 3.2.5.1, 3.2.10
connections: 2
messages: 4
enable: qresync

1 ok status ${mailbox} (uidvalidity highestmodseq)
* status ${mailbox} (uidvalidity $validity highestmodseq $base)
1 ok unselect
2 ok uid store ${uid2} +flags.silent (\deleted)
2 ok [highestmodseq $new] uid expunge ${uid2}
* vanished ${uid2}
! * $ expunge
2 ok store 3 +flags.silent (\answered)
1 ok select ${mailbox} (qresync (${validity} ${base}))
* 3 exists
* vanished (earlier) ${uid2}
* 3 fetch (uid ${uid4} flags (\answered) modseq ($m))
! * 1 fetch ...
! * 2 fetch ...
1 ok unselect
