/*
 * msgid.h - message-ids in Message-ID, References and In-Reply-To (RFC 5256 2.2: quoting undone,
 * compared exactly).
 */
#ifndef MIME_MSGID_H
#define MIME_MSGID_H

#include "base/buf.h"

/**
 * Takes the next message-id off *rest and puts it, without the angle brackets, into *id (emptied
 * first); false when there is none. What has no "@" between two texts is none (RFC 5322 3.6.4).
 */
bool mime_msgid_next(struct str *rest, struct buf *id);

#endif
