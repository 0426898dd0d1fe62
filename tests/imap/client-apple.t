# Apple Mail: STATUS on the selected mailbox, UID STORE with several flags, its flag keywords, IDLE with commands at once behind DONE.
spec: RFC 3501, RFC 2177
connections: 2
messages: 3

1 ok status ${mailbox} (messages uidnext uidvalidity unseen)
* status transcript (messages 3 unseen 3)
1 ok UID STORE ${uid2} +FLAGS.SILENT (\Flagged $MailFlagBit0 $MailFlagBit2)
1 ok UID FETCH ${uid1}:${uid3} (FLAGS UID BODYSTRUCTURE INTERNALDATE RFC822.SIZE)
* 2 fetch (uid ${uid2} flags (\flagged $MailFlagBit0 $MailFlagBit2))
1 ok UID SEARCH 1:* NOT DELETED
* search ${uid1} ${uid2} ${uid3}
1 ok UID SEARCH RETURN (ALL COUNT) UNSEEN
* esearch (tag $t) uid all ${uid1}:${uid3} count 3
1 begin IDLE
+
2 ok append ${mailbox} {{{
Subject: pushed

}}}
1 wait
* 4 exists
1 send DONE
1 end ok
1 ok UID FETCH ${uid3}:* (UID FLAGS)
* 4 fetch (uid $new flags ())
1 ok [copyuid $v ${new} $copy] UID COPY ${new} Trash
1 ok UID STORE ${new} +FLAGS.SILENT (\Deleted)
1 ok UID EXPUNGE ${new}
* 4 expunge
2 ok noop
