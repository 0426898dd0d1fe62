/* told.c - see told.h. */
#include "model/told.h"

struct str
told_name(struct str *rest)
{
	struct str name;
	size_t end;

	if (!str_starts(*rest, STR("\"")))
		return picture_word(rest);
	end = str_chr(str_sub(*rest, 1, rest->n), '"');
	if (end == SIZE_MAX)
		return STR_NONE;
	name = str_sub(*rest, 1, end + 1);
	*rest = str_sub(*rest, MIN(end + 3, rest->n), rest->n);
	return name;
}

bool
told_has(struct str attributes, const char *attribute)
{
	return memmem(attributes.p, attributes.n, attribute, strlen(attribute)) != NULL;
}

bool
told_list(const struct told *t, struct told_list *out)
{
	size_t end = str_chr(t->rest, ')');

	if (end == SIZE_MAX || !str_starts(str_sub(t->rest, end, t->rest.n), STR(") \"/\" ")))
		return false;
	out->attributes = str_sub(t->rest, 1, end);
	out->rest = str_sub(t->rest, end + 6, t->rest.n);
	out->name = told_name(&out->rest);
	return true;
}

bool
told_status(struct str items, struct told_status *s)
{
	for (items = str_sub(items, 1, items.n - 1); items.n > 0;) {
		struct str key = picture_word(&items), value = picture_word(&items);
		uint64_t number;

		if (!str_to_u64(value, &number))
			return false;
		if (str_eq(key, STR("MESSAGES")))
			s->messages = (uint32_t)number;
		else if (str_eq(key, STR("UIDNEXT")))
			s->uidnext = (uint32_t)number;
		else if (str_eq(key, STR("UIDVALIDITY")))
			s->validity = (uint32_t)number;
		else if (str_eq(key, STR("UNSEEN")))
			s->unseen = (uint32_t)number;
		else if (str_eq(key, STR("HIGHESTMODSEQ")))
			s->highest = number;
	}
	return true;
}
