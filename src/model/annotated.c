/* annotated.c - see annotated.h. */
#include "model/annotated.h"

#include "base/test.h"
#include "store/annotation.h"

const struct annotated_name annotated_entries[ANNOTATED_ENTRIES_ALL] = {
	{ "/private/comment", false, false },
	{ "/shared/comment", true, false },
	{ "/private/vendor/m/x", false, false },
	{ "/shared/vendor/m/x/y", true, false },
	{ "/private/comment", false, true },
	{ "/private/vendor/m/x", false, true },
};

const struct annotated_name annotated_notes[ANNOTATED_NOTES] = {
	{ "/comment", false, false },
	{ "/comment", true, false },
	{ "/altsubject", false, false },
	{ "/vendor/m/x", true, false },
};

unsigned
annotated_value(const struct annotated *list, unsigned entry)
{
	for (unsigned i = 0; i < list->n; i++) {
		if (list->e[i].entry == entry)
			return list->e[i].value;
	}
	return 0;
}

bool
annotated_eq(const struct annotated *a, const struct annotated *b)
{
	return a->n == b->n && memcmp(a->e, b->e, a->n * sizeof(*a->e)) == 0;
}

static void
add(struct annotated *list, struct annotated_one e)
{
	must(list->n < ANNOTATED_ENTRIES_ALL);
	list->e[list->n++] = e;
}

static bool
is_named(const struct annotated *list, unsigned entry)
{
	for (unsigned i = 0; i < list->n; i++) {
		if (list->e[i].entry == entry)
			return true;
	}
	return false;
}

bool
annotated_set(struct annotated *list, const struct annotated *changes)
{
	struct annotated after = { 0 };
	bool is_changed;

	for (unsigned i = 0; i < list->n; i++) {
		if (!is_named(changes, list->e[i].entry))
			add(&after, list->e[i]);
	}
	for (unsigned i = 0; i < changes->n; i++) {
		if (changes->e[i].value != 0)
			add(&after, changes->e[i]);
	}
	is_changed = !annotated_eq(list, &after);
	*list = after;
	return is_changed;
}

struct annotated
annotated_of_mailbox(const struct annotated *list)
{
	struct annotated out = { 0 };

	for (unsigned i = 0; i < list->n; i++) {
		if (list->e[i].entry < ANNOTATED_ENTRIES)
			add(&out, list->e[i]);
	}
	return out;
}

static bool
read_one(const struct annotation *a, const struct annotated_name *names, unsigned n,
    struct annotated *out)
{
	uint32_t value;
	unsigned i = 0;

	while (i < n
	    && (!str_eq(a->name, str_c(names[i].name))
		|| names[i].is_shared != (a->scope == ANNOTATION_SHARED)
		|| names[i].is_server != (a->scope == ANNOTATION_SERVER)))
		i++;
	if (i == n || out->n == ANNOTATED_ENTRIES_ALL || a->value.n != 2 || a->value.p[0] != 'm'
	    || !str_to_u32(str_sub(a->value, 1, 2), &value))
		return false;
	add(out, (struct annotated_one){ .entry = (uint8_t)i, .value = (uint8_t)value });
	return true;
}

bool
annotated_read(struct str stored, const struct annotated_name *names, unsigned n,
    struct annotated *out)
{
	struct annotation here;

	*out = (struct annotated){ 0 };
	while (annotation_next(&stored, &here)) {
		if (!read_one(&here, names, n, out))
			return false;
	}
	return stored.n == 0;
}
