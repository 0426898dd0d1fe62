# UNCHANGEDSINCE protects what another connection changed.
spec: RFC 7162 3.1.3
connections: 2
messages: 3
enable: condstore

1 ok status ${mailbox} (highestmodseq)
* status ${mailbox} (highestmodseq $base)
2 ok store 2 +flags (\seen)
* 2 fetch (modseq ($after))
1 ok [modified 2] store 1:3 (unchangedsince ${base}) +flags.silent (\flagged)
1 ok fetch 1:3 (flags)
* 1 fetch (flags (\flagged))
* 2 fetch (flags (\seen))
* 3 fetch (flags (\flagged))
2 ok noop
* 1 fetch (flags (\flagged))
* 3 fetch (flags (\flagged))
