# A mailbox that another connection deletes and makes again is another mailbox.
spec: RFC 2180 3
connections: 2
state: auth

1 ok create doomed
1 ok append doomed (\flagged) {{{
Subject: old

}}}
2 ok [read-write] select doomed
* 1 exists
* ok [uidvalidity $old]
1 ok delete doomed
1 ok create doomed
1 ok status doomed (uidvalidity messages)
* status doomed (messages 0)
! * status doomed (uidvalidity ${old})
2 ok unselect
2 ok select doomed
* 0 exists
! * ok [uidvalidity ${old}]
