# CLOSE expunges without a word to its own connection; the other is told.
spec: RFC 3501 6.4.2
connections: 2
messages: 3

1 ok store 1 +flags.silent (\deleted)
2 ok noop
* 1 fetch (flags (\deleted))
1 ok close
! * $ expunge
1 bad fetch 1 flags
2 ok noop
* 1 expunge
