/* list_reply.h - writes LIST, LSUB and XLIST lines (RFC 9051 7.3.1, RFC 3348, RFC 6154). */
#ifndef SESSION_CMD_LIST_REPLY_H
#define SESSION_CMD_LIST_REPLY_H

#include "session/target.h"

enum list_kind { LIST_KIND_LIST, LIST_KIND_LSUB, LIST_KIND_XLIST };

enum list_line_flags {
	LINE_SUBSCRIBED = 1 << 0, /* tell \Subscribed when it is */
	/* the client knows \NonExistent (RFC 5258), else \Noselect */
	LINE_NONEXISTENT = 1 << 1,
	LINE_CHILDINFO = 1 << 2, /* ("CHILDINFO" ("SUBSCRIBED")) */
};

struct list_line {
	struct str name;
	enum list_kind kind;
	unsigned flags;
	unsigned special_use;
	/* no mailbox: only a level above others, or a subscription */
	bool is_missing;
	/* LSUB: told for children only, whatever the mailbox is */
	bool is_noselect;
	bool is_subscribed;
	bool has_children, is_children_unknown;
	bool is_refused; /* \NoAccess (RFC 5465) */
	/* what it was called before: OLDNAME; empty: nothing to tell */
	struct str old_name;
};

void list_reply_line(struct session *s, const struct list_line *line);
/** The line of a mailbox that is there, for clients of IMAP4rev2. */
void list_reply_target(struct session *s, struct arena *a, const struct target *t);
/** The same of one whose name the client spelt otherwise (RFC 9051 6.3.9.7), or that is gone. */
void list_reply_oldname(struct session *s, struct arena *a, const struct target *t,
    struct str spelt);
/** The line that tells the separator: LIST "" "". */
void list_reply_root(struct session *s, enum list_kind kind);
/** The USE_… bit of a special-use attribute, any case; 0 when it is none. */
unsigned list_use_of(struct str attribute);
/** Appends the attributes of these uses, a space between them. */
void list_uses_format(unsigned special_use, struct buf *out);

#endif
