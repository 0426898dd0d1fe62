# After ENABLE IMAP4rev2 SELECT lists the mailbox, is silent about \Recent, and says CLOSED first.
spec: RFC 9051 6.3.2, 7.1, appendix E 9-12
messages: 1
enable: IMAP4rev2

1 ok [read-only] examine ${mailbox}
* ok [closed]
* 1 exists
* list $ "/" ${mailbox}
* flags ...
! * $ recent
! * ok [unseen $]
1 ok search all
* esearch (tag $t) all 1
! * search ...
