/*
 * metadata.c - see metadata.h. A digest is a line for each entry: its name, a space, a hash of its
 * value, LF. Names have no control characters, and the hash is the last word.
 */
#include "session/metadata.h"

#include "imap/metadata.h"
#include "imap/utf7.h"
#include "session/server.h"
#include "session/target.h"

#include <inttypes.h>
#include <stdlib.h>

enum { DIGEST_MAX_BYTES = 1 << 20, OURS_MAX_BYTES = 1 << 20 };

/* What is known of one place: the selected mailbox, the server. */
struct known {
	struct buf digest;
	struct buf ours;  /* names that the session has set since, each with LF */
	uint64_t version; /* of the snapshot that it was made of */
};

struct metadata {
	struct known mailbox, server;
};

struct annotation
metadata_key(const struct session *s, bool is_server, struct str entry)
{
	bool is_private = imap_metadata_is_private(entry);

	return (struct annotation){
		.scope = is_server ? ANNOTATION_SERVER
		    : is_private   ? ANNOTATION_PRIVATE
				   : ANNOTATION_SHARED,
		.user = is_server || is_private ? account_id(s->account).v : 0,
		.name = entry,
	};
}

/* Items of an option: "name value". */
static void
each_named(const struct str *items, size_t n, const char *root, metadata_made_fn *fn, void *ctx)
{
	for (size_t i = 0; i < n; i++) {
		BUF_CLEAN struct buf entry = BUF_MAX(65536);
		size_t space = str_chr(items[i], ' ');

		buf_c(&entry, root);
		buf_str_add(&entry, str_sub(items[i], 0, space));
		if (space != SIZE_MAX)
			fn(ctx, buf_str(&entry), str_trim(str_sub(items[i], space, items[i].n)));
	}
}

void
metadata_server_made(const struct session *s, metadata_made_fn *fn, void *ctx)
{
	const struct server_options *o = server_options(s->server);

	if (o->admin_uri.n > 0)
		fn(ctx, STR("/shared/admin"), o->admin_uri);
	if (o->server_comment.n > 0)
		fn(ctx, STR("/shared/comment"), o->server_comment);
	each_named(o->shared_filters, o->shared_filter_count, "/shared/filters/values/", fn, ctx);
	each_named(o->filter_descriptions, o->filter_description_count,
	    "/shared/filters/descriptions/", fn, ctx);
}

struct lookup {
	struct str entry, value;
};

static void
look_up(void *ctx, struct str entry, struct str value)
{
	struct lookup *l = ctx;

	if (l->value.p == NULL && str_eq_nocase(l->entry, entry))
		l->value = value;
}

bool
metadata_server_made_value(const struct session *s, struct str entry, struct str *value_out)
{
	struct lookup l = { .entry = entry };

	metadata_server_made(s, look_up, &l);
	*value_out = l.value;
	return l.value.p != NULL;
}

bool
metadata_server_value(struct session *s, struct arena *a, struct str entry, struct str *value_out)
{
	const struct annotation key = metadata_key(s, true, entry);
	struct snapshot *now = session_snapshot(s);
	const struct mailbox_info *inbox = snapshot_mailbox(now, STR("INBOX"));
	bool is_there = inbox != NULL && annotation_find(inbox->annotations, &key, value_out);

	if (is_there)
		*value_out = arena_str(a, *value_out);
	snapshot_unref(now);
	return is_there || metadata_server_made_value(s, entry, value_out);
}

static void
add_line(struct buf *out, struct str name, uint64_t hash)
{
	buf_printf(out, "%.*s %016" PRIx64 "\n", STR_F(name), hash);
}

static void
digest(const struct session *s, const struct mailbox_info *m, bool is_server, bool is_own,
    struct buf *out)
{
	struct str list = m->annotations;
	struct annotation a;

	buf_clear(out);
	while (annotation_next(&list, &a)) {
		const struct annotation key = metadata_key(s, is_server, a.name);

		if (a.scope == key.scope && a.user == key.user)
			add_line(out, a.name, str_hash(a.value, 0));
	}
	if (!is_server && is_own)
		add_line(out, METADATA_SPECIALUSE, m->special_use);
	if (!is_server && (m->is_seen_private || m->is_seen_fixed))
		add_line(out, METADATA_SEEN, m->is_seen_private);
}

/* Whether a text has the line, which ends in LF. */
static bool
has_line(struct str text, struct str line)
{
	struct str here;

	while (str_split(&text, '\n', &here)) {
		if (str_eq_nocase(here, line))
			return true;
	}
	return false;
}

static struct str
name_of(struct str line)
{
	return str_sub(line, 0, str_rchr(line, ' '));
}

static bool
has_name(struct str text, struct str name)
{
	struct str here;

	while (str_split(&text, '\n', &here)) {
		if (str_eq_nocase(name_of(here), name))
			return true;
	}
	return false;
}

/*
 * Names of lines of a that b does not have: changed ones, or (is_missing) those whose names b does
 * not have.
 */
static void
add_differences(struct str a, struct str b, struct str ours, bool is_missing, struct buf *names)
{
	struct str line;

	while (str_split(&a, '\n', &line)) {
		struct str name = name_of(line);

		if (name.n == 0)
			continue; /* behind the last LF */
		if ((is_missing ? has_name(b, name) : has_line(b, line)) || has_line(ours, name))
			continue;
		buf_chr(names, ' ');
		reply_astring(names, name, REPLY_ASCII);
	}
}

/* Tells what is different, but for `ours`. */
static void
tell_names(struct session *s, struct str before, struct str after, struct str ours,
    struct str mailbox)
{
	BUF_CLEAN struct buf names = BUF_MAX(DIGEST_MAX_BYTES);

	if (str_eq(before, after))
		return;
	add_differences(after, before, ours, false, &names);
	add_differences(before, after, ours, true, &names);
	if (names.n == 0)
		return;
	buf_lit(session_out(s), "* METADATA ");
	if (mailbox.n == 0)
		buf_lit(session_out(s), "\"\"");
	else
		reply_mailbox(session_out(s), mailbox, session_form(s));
	buf_str_add(session_out(s), buf_str(&names));
	reply_end(session_out(s));
}

void
metadata_tell_difference(struct session *s, const struct mailbox_info *before,
    const struct mailbox_info *after, bool is_server, bool is_own, struct str mailbox)
{
	BUF_CLEAN struct buf was = BUF_MAX(DIGEST_MAX_BYTES);
	BUF_CLEAN struct buf is = BUF_MAX(DIGEST_MAX_BYTES);

	if (str_eq(before->annotations, after->annotations)
	    && before->special_use == after->special_use
	    && before->is_seen_private == after->is_seen_private
	    && before->is_seen_fixed == after->is_seen_fixed)
		return;
	digest(s, before, is_server, is_own, &was);
	digest(s, after, is_server, is_own, &is);
	tell_names(s, buf_str(&was), buf_str(&is), STR(""), mailbox);
}

/* Takes the new digest over, tells what is different. */
static void
compare(struct session *s, struct known *k, struct buf *now, struct str mailbox)
{
	tell_names(s, buf_str(&k->digest), buf_str(now), buf_str(&k->ours), mailbox);
	buf_clear(&k->ours);
	buf_clear(&k->digest);
	buf_str_add(&k->digest, buf_str(now));
}

static void
look_at_mailbox(struct session *s, struct metadata *k, bool is_told)
{
	BUF_CLEAN struct buf now = BUF_MAX(DIGEST_MAX_BYTES);
	struct arena scratch = ARENA_NONE;

	if (s->view == NULL || view_is_gone(s->view)
	    || (is_told && view_version(s->view) == k->mailbox.version))
		return;
	digest(s, view_mailbox(s->view), false, view_account(s->view) == s->account, &now);
	if (is_told)
		compare(s, &k->mailbox, &now,
		    target_name_in(s, &scratch, view_account(s->view),
			view_mailbox(s->view)->name));
	else
		buf_str_add(&k->mailbox.digest, buf_str(&now));
	k->mailbox.version = view_version(s->view);
	arena_done(&scratch);
}

static void
look_at_server(struct session *s, struct metadata *k, bool is_told)
{
	BUF_CLEAN struct buf now = BUF_MAX(DIGEST_MAX_BYTES);
	struct snapshot *own = session_snapshot(s);
	const struct mailbox_info *inbox = snapshot_mailbox(own, STR("INBOX"));

	if (inbox != NULL && (!is_told || snapshot_version(own) != k->server.version)) {
		digest(s, inbox, true, true, &now);
		if (is_told)
			compare(s, &k->server, &now, STR(""));
		else
			buf_str_add(&k->server.digest, buf_str(&now));
		k->server.version = snapshot_version(own);
	}
	snapshot_unref(own);
}

static void
known_init(struct known *k)
{
	k->digest = BUF_MAX(DIGEST_MAX_BYTES);
	k->ours = BUF_MAX(OURS_MAX_BYTES);
}

void
metadata_enable(struct session *s)
{
	if (s->metadata != NULL)
		return;
	s->metadata = xcalloc(1, sizeof(*s->metadata));
	known_init(&s->metadata->mailbox);
	known_init(&s->metadata->server);
	look_at_mailbox(s, s->metadata, false);
	look_at_server(s, s->metadata, false);
}

void
metadata_selected(struct session *s)
{
	if (s->metadata == NULL)
		return;
	buf_clear(&s->metadata->mailbox.ours);
	buf_clear(&s->metadata->mailbox.digest);
	look_at_mailbox(s, s->metadata, false);
}

void
metadata_set_by_us(struct session *s, bool is_server, struct str entry,
    const struct snapshot *after)
{
	struct known *k;

	if (s->metadata == NULL)
		return;
	k = is_server ? &s->metadata->server : &s->metadata->mailbox;
	if (k->version == snapshot_version(after))
		return; /* nothing was changed */
	buf_str_add(&k->ours, entry);
	buf_chr(&k->ours, '\n');
}

void
metadata_tell(struct session *s)
{
	/* Once there was a NOTIFY, that says what is told (RFC 5465 5.6, 5.7). */
	if (s->metadata == NULL || s->notify != NULL)
		return;
	if ((s->enabled & ENABLED_METADATA) != 0)
		look_at_mailbox(s, s->metadata, true);
	look_at_server(s, s->metadata, true);
}

void
metadata_free(struct session *s)
{
	if (s->metadata == NULL)
		return;
	buf_done(&s->metadata->mailbox.digest);
	buf_done(&s->metadata->mailbox.ours);
	buf_done(&s->metadata->server.digest);
	buf_done(&s->metadata->server.ours);
	free(s->metadata);
	s->metadata = NULL;
}
