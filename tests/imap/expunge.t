# EXPUNGE reaches the other connection only where it may, and its numbers are those of the moment.
spec: RFC 3501 6.4.3, 7.4.1
connections: 2
messages: 5

1 ok store 2,4 +flags.silent (\deleted)
1 ok expunge
* $ expunge
* $ expunge
! * 1 expunge
2 ok fetch 1:5 (uid)
! * $ expunge
* 5 fetch (uid ${uid5})
2 ok noop
* $ expunge
* $ expunge
2 ok fetch 1:* (uid)
* 1 fetch (uid ${uid1})
* 2 fetch (uid ${uid3})
* 3 fetch (uid ${uid5})
