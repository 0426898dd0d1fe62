# UID EXPUNGE leaves what another connection marked.
spec: RFC 4315 2.1
connections: 2
messages: 4

1 ok uid store ${uid1} +flags.silent (\deleted)
2 ok uid store ${uid3} +flags.silent (\deleted)
1 ok uid expunge ${uid1}
* 1 expunge
! * 2 expunge
2 ok noop
* 1 expunge
2 ok uid search deleted
* search ${uid3}
