# Reading a message sets \Seen, tells it in the same answer, and tells the other connection.
spec: RFC 3501 6.4.5
connections: 2
messages: 2

1 ok fetch 1 (body.peek[text])
! * 1 fetch (flags (\seen))
1 ok fetch 1 (body[text])
* 1 fetch (flags (\seen))
2 ok noop
* 1 fetch (flags (\seen))
1 ok fetch 1 (body[text])
2 ok noop
! * 1 fetch ...
