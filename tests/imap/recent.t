# \Recent belongs to the first connection that is told of a message.
spec: RFC 3501 2.3.2
connections: 2
state: auth

1 ok select inbox
* 0 recent
2 ok append inbox {{{
Subject: new

}}}
1 ok noop
* 1 exists
* 1 recent
1 ok fetch 1 (flags)
* 1 fetch (flags (\recent))
2 ok select inbox
* 1 exists
* 0 recent
