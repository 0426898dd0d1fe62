# IDLE tells of new mail, flags and expunges as they happen.
spec: RFC 2177
connections: 2
messages: 2

2 begin idle
+
1 ok append ${mailbox} {{{
Subject: third

Text.
}}}
2 wait
* 3 exists
1 ok store 1 +flags (\flagged)
2 wait
* 1 fetch (flags (\flagged))
1 ok store 2 +flags.silent (\deleted)
1 ok expunge
2 wait
* 2 expunge
2 send DONE
2 end ok
2 ok search all
* search 1 2
