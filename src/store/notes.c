/*
 * notes.c - see notes.h. A list is that of annotation.c; as a row it has a byte in front that tells
 * it from a page.
 */
#include "store/notes.h"

enum { NOTES_FORMAT = 3 }; /* pages have 1, private ones 2 */

bool
notes_are_valid(struct str list)
{
	struct annotation here;

	if (list.n == 0 || list.n > NOTES_MAX_BYTES)
		return false;
	while (annotation_next(&list, &here)) {
		if (here.name.n > NOTE_NAME_MAX
		    || (here.scope == ANNOTATION_SHARED) != (here.user == 0)
		    || (here.scope != ANNOTATION_SHARED && here.scope != ANNOTATION_PRIVATE))
			return false;
	}
	return list.n == 0;
}

/* Other than those of mailboxes their names are compared byte by byte (RFC 5257 3.2). */
static bool
is_same(const struct annotation *a, const struct annotation *b)
{
	return a->scope == b->scope && a->user == b->user && str_eq(a->name, b->name);
}

bool
notes_find(struct str list, const struct annotation *key, struct str *value_out)
{
	return annotation_find_by(list, key, is_same, value_out);
}

enum err
notes_change(struct str list, const struct annotation *changes, size_t n, struct buf *out)
{
	const size_t begin = out->n;
	struct annotation here;

	while (annotation_next(&list, &here)) {
		bool is_changed = false;

		for (size_t i = 0; i < n && !is_changed; i++)
			is_changed = is_same(&here, &changes[i]);
		if (!is_changed)
			annotation_add(out, &here);
	}
	for (size_t i = 0; i < n; i++) {
		if (changes[i].value.p == NULL)
			continue;
		if (changes[i].value.n > NOTE_VALUE_MAX)
			return ERR_ANNOTATION_TOOBIG;
		if (changes[i].name.n > NOTE_NAME_MAX
		    || annotations_count(str_sub(buf_str(out), begin, SIZE_MAX), &changes[i])
			>= NOTES_MAX)
			return ERR_ANNOTATIONS_TOOMANY;
		annotation_add(out, &changes[i]);
	}
	return out->is_over || out->n - begin > NOTES_MAX_BYTES ? ERR_ANNOTATIONS_TOOMANY : ERR_OK;
}

void
notes_copy(struct str list, uint64_t user, unsigned rights, struct buf *out)
{
	struct annotation here;

	while (annotation_next(&list, &here)) {
		if (here.scope == ANNOTATION_SHARED ? (rights & RIGHT_N) != 0
						    : here.user == user && (rights & RIGHT_R) != 0)
			annotation_add(out, &here);
	}
}

/* Adds the names of what is in `list`, and not so in `other`. */
static void
add_differing(struct str list, struct str other, uint64_t user, struct buf *out)
{
	struct annotation here;
	struct str value;

	while (annotation_next(&list, &here)) {
		struct annotation name = { .scope = ANNOTATION_SHARED,
			.name = here.name,
			.value = STR("") };

		if (here.user != 0 && here.user != user)
			continue;
		if (notes_find(other, &here, &value) && str_eq(value, here.value))
			continue;
		if (!notes_find(buf_str(out), &name, &value))
			annotation_add(out, &name);
	}
}

void
notes_diff(struct str before, struct str after, uint64_t user, struct buf *out)
{
	add_differing(after, before, user, out);
	add_differing(before, after, user, out);
}

void
notes_row_encode(struct str list, struct buf *out)
{
	buf_chr(out, NOTES_FORMAT);
	buf_str_add(out, list);
}

enum err
notes_row_decode(struct str row, struct str *list_out)
{
	struct str list = str_sub(row, MIN(row.n, (size_t)1), row.n);

	if (row.n == 0 || row.p[0] != NOTES_FORMAT || !notes_are_valid(list))
		return ERR_CORRUPT;
	*list_out = list;
	return ERR_OK;
}
