# The saved result follows expunges, and is gone with SELECT.
spec: RFC 5182 2.1, RFC 4731 3.1
messages: 5

1 ok search return (save count) not subject "Message 2"
* esearch (tag $t) count 4
1 ok store 1 +flags.silent (\deleted)
1 ok expunge
* 1 expunge
1 ok fetch $ (uid)
* 2 fetch (uid ${uid3})
* 3 fetch (uid ${uid4})
* 4 fetch (uid ${uid5})
! * 1 fetch ...
1 ok select ${mailbox}
1 ok fetch $ (uid)
! * $ fetch ...
