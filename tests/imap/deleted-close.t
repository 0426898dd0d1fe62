# CLOSE of a mailbox that another connection has deleted: there is nothing to expunge, and CLOSE has no NO.
spec: RFC 9051 6.4.1, RFC 2180 3
connections: 2
state: auth

1 ok create doomed
1 ok append doomed (\deleted) {{{
Subject: old

}}}
2 ok [read-write] select doomed
1 ok delete doomed
2 ok close
2 bad fetch 1 (flags)
