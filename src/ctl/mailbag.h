/*
 * mailbag.h - messages on their way in from files: what the readers of mbox, Maildir and .eml hand
 * to the import.
 */
#ifndef CTL_MAILBAG_H
#define CTL_MAILBAG_H

#include "ctl/ctl.h"
#include "imap/flags.h"

struct mail_item {
	struct str mailbox; /* UTF-8 */
	/* as found: line ends are the import's; STR_NONE: they can't be read, which was told */
	struct str bytes;
	unsigned flags; /* enum imap_flag bits */
	struct str keywords[KEYWORDS_MAX];
	size_t keyword_count;
	bool has_date;
	int64_t date_s;
	int16_t zone_min;
	const char *where; /* for errors: file, or file and offset */
};

/* Takes a message; false stops. Everything is valid during the call. */
typedef bool mail_item_fn(void *ctx, const struct mail_item *item);
/* Told of mailboxes that may have no message. */
typedef bool mail_mailbox_fn(void *ctx, struct str mailbox);

struct mail_sink {
	mail_mailbox_fn *mailbox;
	mail_item_fn *item;
	void *ctx;
};

/**
 * Each reads everything under path; mailbox is where it goes. False: stopped, or failed after
 * telling.
 */
bool mbox_read(struct ctl *c, const char *path, struct str mailbox, const struct mail_sink *to);
/** What is in such a file; path is for errors. */
bool mbox_read_bytes(struct str bytes, const char *path, struct str mailbox,
    const struct mail_sink *to);
bool maildir_read(struct ctl *c, const char *path, struct str mailbox, const struct mail_sink *to);
bool eml_read(struct ctl *c, const char *path, struct str mailbox, const struct mail_sink *to);
/** The folder has cur and new. */
bool maildir_is(const char *path);
/** The file begins with "From ". */
bool mbox_is(const char *path);

/**
 * A whole file, mapped; STR_NONE after telling. Empty files are an empty str with a pointer. No
 * symbolic link on the way is followed, for root may import the folder of somebody who has put one
 * there; the path begins with what realpath() said.
 */
struct str mail_file_map(const char *path);
void mail_file_unmap(struct str bytes);
/** Adds a keyword if it can be one and there is room. */
void mail_item_keyword(struct mail_item *item, struct str keyword);
/** The date of its Date field, if it has one that can be read. */
void mail_item_date_from_header(struct mail_item *item);

#endif
