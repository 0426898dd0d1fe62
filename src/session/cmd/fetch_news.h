/*
 * fetch_news.h - FETCH replies about new messages that a client has asked for in advance (NOTIFY,
 * RFC 5465 5.2): in fetch.c.
 */
#ifndef SESSION_CMD_FETCH_NEWS_H
#define SESSION_CMD_FETCH_NEWS_H

#include "imap/fetch.h"
#include "session/session.h"

struct fetch_news;

/**
 * what: borrowed until it is freed; sections do not set \Seen. uids: of the selected mailbox,
 * copied.
 */
struct fetch_news *fetch_news_new(struct session *s, const struct imap_fetch *what,
    const struct rangeset *uids);
/** What has been fetched otherwise; before it runs. */
void fetch_news_leave_out(struct fetch_news *f, const struct rangeset *uids);
/** ERR_WAIT: call again. What can't be read is left out. */
must_use enum err fetch_news_run(struct session *s, struct fetch_news *f);
/** Takes NULL. */
void fetch_news_free(struct session *s, struct fetch_news *f);

#endif
