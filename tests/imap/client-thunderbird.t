# What Thunderbird says from its start to moving a message, word for word where it matters.
spec: RFC 9051, RFC 6855 3; Thunderbird's ImapProtocol
state: fresh
connections: 2

1 ok capability
* capability imap4rev1 ...
1 ok [capability ...] login "${user}" "${password}"
1 ok ID ("name" "Thunderbird" "version" "115.0")
* id $
1 ok enable UTF8=ACCEPT
* enabled UTF8=ACCEPT
1 ok namespace
* namespace (("" "/")) (("Other Users/" "/")) (("Shared/" "/"))
1 ok list (subscribed) "" "*" return (special-use)
1 ok list "" "INBOX"
* list $ "/" inbox
1 ok create "Q & Größe"
1 ok subscribe "Q & Größe"
1 ok append "Q & Größe" (\Seen) {{{
From: a@example.org
Subject: one
Message-ID: <one@example.org>

Text.
}}}
1 ok [read-write] select "Q & Größe" (CONDSTORE)
* 1 exists
* ok [uidvalidity $v]
* ok [uidnext $next]
* ok [highestmodseq $m]
1 ok UID fetch 1:* (FLAGS)
* 1 fetch (uid $u flags (\seen))
1 ok UID fetch ${u} (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])
* 1 fetch (uid ${u} RFC822.SIZE $size flags (\seen))
1 ok UID fetch ${u} (UID RFC822.SIZE BODY.PEEK[])
* 1 fetch (uid ${u} RFC822.SIZE ${size})
1 ok uid store ${u} +Flags (NonJunk)
* 1 fetch (flags (\seen nonjunk))
1 ok uid fetch 1:* (FLAGS) (CHANGEDSINCE ${m})
* 1 fetch (uid ${u})
1 begin IDLE
+
1 send DONE
1 end ok
1 ok uid move ${u} "Trash"
* ok [copyuid $tv ${u} $new]
* 1 expunge
1 ok select "Trash" (CONDSTORE)
* 1 exists
1 ok list "" "Q*"
* list $ "/" "Q & Größe"
1 ok delete "Q & Größe"
1 ok logout
* bye
