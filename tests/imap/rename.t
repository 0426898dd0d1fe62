# A mailbox that is open goes on under its new name.
spec: RFC 3501 6.3.5, RFC 2180 3
connections: 2
messages: 1

2 ok rename ${mailbox} renamed
1 ok store 1 +flags (\draft)
2 ok status renamed (messages unseen)
* status renamed (messages 1)
2 ok append renamed {{{
Subject: later

}}}
1 ok noop
* 2 exists
2 no [nonexistent] status ${mailbox} (messages)
