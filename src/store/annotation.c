/*
 * annotation.c - see annotation.h. A stored annotation is: scope (1), zero (1), bytes of the name
 * (2), bytes of the value (4), user (8), name, value.
 */
#include "store/annotation.h"

#include "base/bytes.h"
#include "store/commit_int.h"

enum { HEAD_BYTES = 16 };

bool
annotation_next(struct str *list, struct annotation *out)
{
	size_t name, value;

	if (list->n < HEAD_BYTES)
		return false;
	name = get_le16(list->p + 2);
	value = get_le32(list->p + 4);
	if (list->p[0] < ANNOTATION_SHARED || list->p[0] > ANNOTATION_KEY || name == 0
	    || name > ANNOTATION_NAME_MAX || value > ANNOTATION_VALUE_MAX
	    || HEAD_BYTES + name + value > list->n)
		return false;
	*out = (struct annotation){
		.scope = (enum annotation_scope)list->p[0],
		.user = get_le64(list->p + 8),
		.name = str_sub(*list, HEAD_BYTES, HEAD_BYTES + name),
		.value = str_sub(*list, HEAD_BYTES + name, HEAD_BYTES + name + value),
	};
	*list = str_sub(*list, HEAD_BYTES + name + value, list->n);
	return true;
}

bool
annotations_are_valid(struct str list)
{
	struct annotation here;

	if (list.n > ANNOTATIONS_MAX_BYTES)
		return false;
	while (annotation_next(&list, &here))
		;
	return list.n == 0;
}

static bool
is_same(const struct annotation *a, const struct annotation *b)
{
	return a->scope == b->scope && a->user == b->user && str_eq_nocase(a->name, b->name);
}

bool
annotation_find_by(struct str list, const struct annotation *key, annotation_same_fn *is_it,
    struct str *value_out)
{
	struct annotation here;

	while (annotation_next(&list, &here)) {
		if (is_it(&here, key)) {
			*value_out = here.value;
			return true;
		}
	}
	return false;
}

bool
annotation_find(struct str list, const struct annotation *key, struct str *value_out)
{
	return annotation_find_by(list, key, is_same, value_out);
}

void
annotation_add(struct buf *out, const struct annotation *a)
{
	char head[HEAD_BYTES] = { (char)a->scope };

	put_le16(head + 2, (uint16_t)a->name.n);
	put_le32(head + 4, (uint32_t)a->value.n);
	put_le64(head + 8, a->user);
	buf_add(out, head, sizeof(head));
	buf_str_add(out, a->name);
	buf_str_add(out, a->value);
}

/* Whether a change says what becomes of this one. */
static bool
is_changed(const struct annotation *a, const struct annotation *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_same(a, &changes[i]))
			return true;
	}
	return false;
}

size_t
annotations_count(struct str list, const struct annotation *like)
{
	struct annotation here;
	size_t count = 0;

	while (annotation_next(&list, &here))
		count += here.scope == like->scope && here.user == like->user;
	return count;
}

enum err
annotations_change(struct str list, const struct annotation *changes, size_t n, struct buf *out)
{
	struct annotation here;

	while (annotation_next(&list, &here)) {
		if (!is_changed(&here, changes, n))
			annotation_add(out, &here);
	}
	for (size_t i = 0; i < n; i++) {
		if (changes[i].value.p == NULL)
			continue;
		if (changes[i].name.n > ANNOTATION_NAME_MAX
		    || changes[i].value.n > ANNOTATION_VALUE_MAX
		    || annotations_count(buf_str(out), &changes[i]) >= ANNOTATIONS_MAX)
			return ERR_LIMIT;
		annotation_add(out, &changes[i]);
	}
	return out->is_over || out->n > ANNOTATIONS_MAX_BYTES ? ERR_LIMIT : ERR_OK;
}

void
annotations_of_mailbox(struct str list, struct buf *out)
{
	struct annotation here;

	while (annotation_next(&list, &here)) {
		if (here.scope != ANNOTATION_SERVER && here.scope != ANNOTATION_KEY)
			annotation_add(out, &here);
	}
}

/* ---- changing a mailbox's -------------------------------------------------------------------- */

/* Whether what the account holds may grow by that much. Room can always be made. */
bool
commit_has_annotation_room(const struct commit *c, size_t before_bytes, size_t after_bytes)
{
	size_t sum = after_bytes - MIN(before_bytes, after_bytes);

	if (sum == 0)
		return true;
	for (uint32_t i = 0; i < c->state_count; i++)
		sum += c->states[i]->desc->row.annotations.n;
	return sum <= ANNOTATIONS_ACCOUNT_MAX_BYTES;
}

/* Of these uses another mailbox has none. */
static bool
is_use_free(const struct commit *c, uint32_t at, uint32_t special_use)
{
	for (uint32_t i = 0; i < c->state_count; i++) {
		if (i != at && (c->states[i]->info.special_use & special_use) != 0)
			return false;
	}
	return true;
}

static enum err
apply_settings(const struct commit *c, uint32_t at, const struct mailbox_settings *set,
    struct mailbox_row *row)
{
	if (set->sets_use && (row->is_noselect || !is_use_free(c, at, set->special_use)))
		return ERR_USEATTR;
	if (set->sets_use)
		row->special_use = set->special_use;
	if (!set->sets_seen)
		return ERR_OK;
	if (row->is_noselect)
		return ERR_NOSELECT;
	if (row->is_seen_private != set->is_seen_private)
		row->seen_since = c->version;
	row->is_seen_private = set->is_seen_private;
	row->is_seen_fixed = true;
	return ERR_OK;
}

/* The account's mutex is held. */
static enum err
annotate(struct commit *c, struct mailbox_id id, const struct annotation *changes, size_t n,
    const struct mailbox_settings *settings, bool *is_changed_out)
{
	BUF_CLEAN struct buf list = BUF_MAX(ANNOTATIONS_MAX_BYTES + 1);
	int64_t at = snapshot_find_id(c->base, id);
	const struct mailbox_desc *d;
	struct mailbox_row row;
	enum err e;

	if (at < 0)
		return ERR_NOTFOUND;
	d = c->states[at]->desc;
	e = annotations_change(d->row.annotations, changes, n, &list);
	if (e == ERR_OK && !commit_has_annotation_room(c, d->row.annotations.n, list.n))
		e = ERR_LIMIT;
	row = d->row;
	if (e == ERR_OK && settings != NULL)
		e = apply_settings(c, (uint32_t)at, settings, &row);
	if (e != ERR_OK)
		return e;
	row.annotations = buf_str(&list);
	*is_changed_out = !str_eq(row.annotations, d->row.annotations)
	    || row.special_use != d->row.special_use
	    || row.is_seen_private != d->row.is_seen_private
	    || row.is_seen_fixed != d->row.is_seen_fixed;
	if (!*is_changed_out)
		return ERR_OK;
	commit_change_desc(c, (uint32_t)at, mailbox_desc_new(id, &row, d->name));
	/* RFC 7162 3.2; those of the server are only kept here. */
	if (n == 0 || changes[0].scope != ANNOTATION_SERVER)
		commit_raise_modseq(c, (uint32_t)at);
	return ERR_OK;
}

enum err
mailbox_annotate(struct account *a, struct mailbox_id id, const struct annotation *changes,
    size_t n, const struct mailbox_settings *settings, struct snapshot **after_out)
{
	bool is_changed = false;
	struct commit *c;
	enum err e = commit_open(a, false, &c);

	if (e != ERR_OK)
		return e;
	e = annotate(c, id, changes, n, settings, &is_changed);
	return commit_close(c, e, is_changed, after_out);
}
