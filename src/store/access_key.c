/*
 * access_key.c - see access_key.h. A key is an annotation of the scope ANNOTATION_KEY in INBOX's
 * row: its user is the account that the mailbox is in, its name the mailbox's id and uidvalidity,
 * "2a.5f3e1d00", its value the key.
 */
#include "store/access_key.h"

#include "store/annotation.h"
#include "store/commit_int.h"

#include <inttypes.h>
#include <stdio.h>

enum { NAME_MAX_BYTES = 32 };

static struct annotation
annotation_of(struct account_id in, const struct mailbox_info *m, char name[NAME_MAX_BYTES])
{
	int n = snprintf(name, NAME_MAX_BYTES, "%" PRIx64 ".%" PRIx32, m->id.v, m->uidvalidity);

	return (struct annotation){ .scope = ANNOTATION_KEY,
		.user = in.v,
		.name = str_make(name, (size_t)n) };
}

static bool
find(struct str list, const struct annotation *a, struct access_key *out)
{
	struct str value;

	if (!annotation_find(list, a, &value) || value.n != ACCESS_KEY_BYTES)
		return false;
	memcpy(out->bytes, value.p, ACCESS_KEY_BYTES);
	return true;
}

bool
access_key_find(const struct snapshot *own, struct account_id in, const struct mailbox_info *m,
    struct access_key *out)
{
	const struct mailbox_info *inbox = snapshot_mailbox(own, STR("INBOX"));
	char name[NAME_MAX_BYTES];
	struct annotation a;

	/* Nearly always: this is asked behind each command that changes something. */
	if (inbox == NULL || inbox->annotations.n == 0)
		return false;
	a = annotation_of(in, m, name);
	return find(inbox->annotations, &a, out);
}

void
access_keys_strip(struct str list, struct buf *out)
{
	struct annotation here;

	while (annotation_next(&list, &here)) {
		if (here.scope != ANNOTATION_KEY)
			annotation_add(out, &here);
	}
}

/* ---- changing them --------------------------------------------------------------------------- */

/*
 * Whether a key is of a mailbox of this account that is no longer there. Of others' mailboxes it is
 * not known here.
 */
static bool
is_dead(const struct commit *c, const struct annotation *key)
{
	char name[NAME_MAX_BYTES];

	if (key->user != c->account->id.v)
		return false;
	for (uint32_t i = 0; i < c->state_count; i++) {
		const struct mailbox_info *m = &c->states[i]->info;

		if (!m->is_noselect
		    && str_eq(annotation_of(c->account->id, m, name).name, key->name))
			return false;
	}
	return true;
}

static bool
is_of_mailbox(const struct annotation *a, const struct annotation *key)
{
	return a->scope == key->scope && a->user == key->user && str_eq(a->name, key->name);
}

/* The list with another key for a mailbox, and without dead ones when they are many. */
static enum err
change(const struct commit *c, struct str list, const struct annotation *key, struct buf *out)
{
	struct str rest = list;
	struct annotation here;
	size_t count = 0, all = 0;

	while (annotation_next(&rest, &here))
		all += here.scope == ANNOTATION_KEY;
	while (annotation_next(&list, &here)) {
		if (is_of_mailbox(&here, key)
		    || (here.scope == ANNOTATION_KEY && all >= ACCESS_KEYS_MAX / 2
			&& is_dead(c, &here)))
			continue;
		count += here.scope == ANNOTATION_KEY;
		annotation_add(out, &here);
	}
	annotation_add(out, key);
	return count >= ACCESS_KEYS_MAX || out->is_over || out->n > ANNOTATIONS_MAX_BYTES
	    ? ERR_LIMIT
	    : ERR_OK;
}

/* Gives INBOX another list, unless it is the same. */
static void
put(struct commit *c, uint32_t at, struct str list, bool *is_changed_out)
{
	const struct mailbox_desc *d = c->states[at]->desc;
	struct mailbox_row row = d->row;

	row.annotations = list;
	*is_changed_out = !str_eq(row.annotations, d->row.annotations);
	if (*is_changed_out)
		commit_change_desc(c, at, mailbox_desc_new(d->id, &row, d->name));
}

/*
 * The mutex is held. Where INBOX is among the states; ERR_FULL, ERR_IO, ERR_NOTFOUND: nothing has
 * begun.
 */
static enum err
begin(struct account *a, struct commit **c_out, uint32_t *at_out)
{
	const struct mailbox_info *inbox;
	struct commit *c;
	enum err e = kv_space(a->kv) == KV_SPACE_HARD ? ERR_FULL : commit_begin(a, &c);

	if (e != ERR_OK)
		return e;
	inbox = snapshot_mailbox(c->base, STR("INBOX"));
	if (inbox == NULL) {
		commit_abort(c);
		return ERR_NOTFOUND;
	}
	*at_out = (uint32_t)snapshot_find_id(c->base, inbox->id);
	commit_list_states(c);
	*c_out = c;
	return ERR_OK;
}

static void
end(struct account *a, struct commit *c, enum err e, bool is_changed, struct snapshot **after_out)
{
	if (e == ERR_OK && is_changed) {
		*after_out = commit_publish_one(c);
		return;
	}
	if (e == ERR_OK)
		*after_out = snapshot_ref(a->latest);
	commit_abort(c);
}

enum err
access_key_make(struct account *own, struct account_id in, const struct mailbox_info *m,
    enum access_key_how how, const struct access_key *fresh, struct access_key *key_out,
    struct snapshot **after_out)
{
	BUF_CLEAN struct buf list = BUF_MAX(ANNOTATIONS_MAX_BYTES + 1);
	char name[NAME_MAX_BYTES];
	struct annotation key = annotation_of(in, m, name);
	bool is_changed = false;
	struct commit *c;
	uint32_t at;
	enum err e;

	pthread_mutex_lock(&own->lock);
	e = begin(own, &c, &at);
	if (e == ERR_OK) {
		struct str old = c->states[at]->desc->row.annotations;

		if (how == ACCESS_KEY_REPLACE || !find(old, &key, key_out)) {
			key.value = str_make(fresh->bytes, ACCESS_KEY_BYTES);
			e = change(c, old, &key, &list);
			if (e == ERR_OK) {
				put(c, at, buf_str(&list), &is_changed);
				*key_out = *fresh;
			}
		}
		end(own, c, e, is_changed, after_out);
	}
	pthread_mutex_unlock(&own->lock);
	return e;
}

enum err
access_keys_remove(struct account *own, struct snapshot **after_out)
{
	BUF_CLEAN struct buf list = BUF_MAX(ANNOTATIONS_MAX_BYTES);
	bool is_changed = false;
	struct commit *c;
	uint32_t at;
	enum err e;

	pthread_mutex_lock(&own->lock);
	e = begin(own, &c, &at);
	if (e == ERR_OK) {
		access_keys_strip(c->states[at]->desc->row.annotations, &list);
		put(c, at, buf_str(&list), &is_changed);
		end(own, c, e, is_changed, after_out);
	}
	pthread_mutex_unlock(&own->lock);
	return e;
}
