/* metadata_reply.c - see metadata_reply.h. */
#include "session/cmd/metadata_reply.h"

#include "session/cmd/list_reply.h"
#include "session/server.h"

/* One reply being written: its head comes with the first entry. */
struct writing {
	struct session *s;
	const struct imap_metadata *asked;
	struct str name;
	bool is_begun, is_first;
	uint64_t longest;
};

bool
metadata_is_allowed(unsigned rights)
{
	return (rights & RIGHT_L) != 0
	    && (rights & (RIGHT_R | RIGHT_S | RIGHT_W | RIGHT_I | RIGHT_P)) != 0;
}

static void
put_value(struct writing *w, struct str value)
{
	struct buf *b = session_out(w->s);

	if (value.p != NULL && str_chr(value, '\0') != SIZE_MAX) {
		reply_literal8_open(b, value.n);
		buf_str_add(b, value);
	} else {
		reply_nstring(b, value, session_form(w->s));
	}
}

/* value.p == NULL: NIL. */
static void
put(struct writing *w, struct str entry, struct str value)
{
	struct buf *b = session_out(w->s);

	if (w->asked->has_maxsize && value.n > w->asked->maxsize) {
		w->longest = MAX(w->longest, value.n);
		return;
	}
	if (!w->is_begun) {
		buf_lit(b, "* METADATA ");
		if (w->asked->is_server)
			buf_lit(b, "\"\" ");
		else
			reply_mailbox(b, w->name, session_form(w->s));
		if (!w->asked->is_server)
			buf_chr(b, ' ');
		reply_list_open(b, &w->is_first);
		w->is_begun = true;
	}
	reply_item(b, &w->is_first);
	reply_astring(b, entry, REPLY_ASCII);
	buf_chr(b, ' ');
	put_value(w, value);
}

/*
 * How the client wrote the name, if it asked for this one; whether anything that it asked for
 * covers it.
 */
static bool
is_asked_for(const struct imap_metadata *asked, struct str entry, struct str *spelt_out)
{
	bool is_covered = false;

	*spelt_out = entry;
	for (size_t i = 0; i < asked->count; i++) {
		struct str base = asked->entries[i].name;

		if (str_eq_nocase(base, entry)) {
			*spelt_out = base;
			return true;
		}
		is_covered = is_covered || imap_metadata_covers(base, asked->depth, entry);
	}
	return is_covered;
}

static void
put_if_asked(struct writing *w, struct str entry, struct str value)
{
	struct str spelt;

	if (is_asked_for(w->asked, entry, &spelt))
		put(w, spelt, value);
}

/* Entries whose values the server makes: false when this is none of them, or has no value. */
static bool
made_value(struct session *s, bool is_server, const struct mailbox_info *m, bool is_own,
    struct str entry, struct buf *out)
{
	struct str value;

	if (is_server && metadata_server_made_value(s, entry, &value))
		buf_str_add(out, value);
	else if (!is_server && is_own && str_eq_nocase(entry, METADATA_SPECIALUSE))
		list_uses_format(m->special_use, out);
	else if (!is_server && (m->is_seen_private || m->is_seen_fixed)
	    && str_eq_nocase(entry, METADATA_SEEN))
		buf_str_add(out, m->is_seen_private ? STR("private") : STR("shared"));
	return out->n != 0;
}

static void
put_server_made(void *ctx, struct str entry, struct str value)
{
	put_if_asked(ctx, entry, value);
}

static void
put_made(struct writing *w, const struct mailbox_info *m, bool is_own)
{
	static const struct str names[] = { STR_INIT("/private/specialuse"),
		STR_INIT("/shared/vendor/posthorn/seen") };

	if (w->asked->is_server) {
		metadata_server_made(w->s, put_server_made, w);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		BUF_CLEAN struct buf value = BUF_MAX(65536);

		if (made_value(w->s, false, m, is_own, names[i], &value))
			put_if_asked(w, names[i], buf_str(&value));
	}
}

/* Whether there is a value of an entry that was asked for by its own name. */
static bool
has_value(struct session *s, bool is_server, const struct mailbox_info *m, bool is_own,
    struct str entry)
{
	const struct annotation key = metadata_key(s, is_server, entry);
	BUF_CLEAN struct buf value = BUF_MAX(65536);
	struct str stored;

	return made_value(s, is_server, m, is_own, entry, &value)
	    || annotation_find(m->annotations, &key, &stored);
}

void
metadata_reply(struct session *s, const struct imap_metadata *asked, struct str name,
    const struct mailbox_info *m, bool is_own, uint64_t *longest_out)
{
	struct writing w = { .s = s, .asked = asked, .name = name };
	struct str list = m->annotations;
	struct annotation a;

	while (annotation_next(&list, &a)) {
		const struct annotation key = metadata_key(s, asked->is_server, a.name);

		if (a.scope == key.scope && a.user == key.user)
			put_if_asked(&w, a.name, a.value);
	}
	put_made(&w, m, is_own);
	/* What has no value is told as NIL, but for levels above what was found. */
	for (size_t i = 0; i < asked->count; i++) {
		if ((asked->depth == 0 || (!w.is_begun && w.longest == 0))
		    && !has_value(s, asked->is_server, m, is_own, asked->entries[i].name))
			put(&w, asked->entries[i].name, STR_NONE);
	}
	if (w.is_begun) {
		reply_list_close(session_out(s));
		reply_end(session_out(s));
	}
	*longest_out = w.longest;
}
