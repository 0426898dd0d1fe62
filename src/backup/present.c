/* present.c - see present.h. */
#include "backup/present.h"

#include "store/put_back.h"

#include <stdlib.h>

enum { LOAD_MESSAGES = 256, UNSORTED_MAX = 1024 };

void
present_done(struct present *p)
{
	free(p->ids);
	*p = (struct present){ 0 };
}

static int
id_cmp(const void *a, const void *b)
{
	const struct message_identity *x = a, *y = b;

	if (x->email.account != y->email.account)
		return x->email.account < y->email.account ? -1 : 1;
	if (x->email.n != y->email.n)
		return x->email.n < y->email.n ? -1 : 1;
	return memcmp(x->blob.sha256, y->blob.sha256, sizeof(x->blob.sha256));
}

static void
sort(struct present *p)
{
	if (p->count > 1)
		qsort(p->ids, p->count, sizeof(*p->ids), id_cmp);
	p->sorted = p->count;
}

bool
present_has(const struct present *p, const struct message_identity *id)
{
	for (size_t i = p->sorted; i < p->count; i++) {
		if (id_cmp(&p->ids[i], id) == 0)
			return true;
	}
	return p->sorted != 0 && bsearch(id, p->ids, p->sorted, sizeof(*p->ids), id_cmp) != NULL;
}

void
present_add(struct present *p, const struct message_identity *id)
{
	if (p->count == p->cap) {
		p->cap = MAX(256, p->cap * 2);
		p->ids = xrealloc(p->ids, p->cap * sizeof(*p->ids));
	}
	p->ids[p->count++] = *id;
	if (p->count - p->sorted > UNSORTED_MAX)
		sort(p);
}

/* Some of them: as many rows as are loaded at once. */
static enum err
identify_some(struct account *a, const uint32_t *numbers, size_t count,
    struct message_identity *out)
{
	struct message_key keys[LOAD_MESSAGES];
	struct kv_range ranges[LOAD_MESSAGES];
	struct kv_rows *rows = NULL;
	enum err e;

	for (size_t i = 0; i < count; i++) {
		keys[i] = message_summary_key((struct msgno){ numbers[i] });
		ranges[i] = (struct kv_range){ .kind = KV_MESSAGE,
			.from = message_key_str(&keys[i]),
			.is_exact = true,
			.may_have_gaps = true };
	}
	e = account_rows(a, ranges, count, &rows);
	for (size_t i = 0; e == ERR_OK && i < count; i++) {
		struct message_record r;

		out[i] = (struct message_identity){ 0 };
		if (rows->ranges[i].count != 0
		    && message_summary_decode(rows->ranges[i].rows[0].value, &r) == ERR_OK)
			out[i] = (struct message_identity){ r.email, r.blob };
	}
	if (e == ERR_OK)
		kv_rows_free(rows);
	return e;
}

enum err
present_identify(struct account *a, const uint32_t *numbers, size_t count,
    struct message_identity *out)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < count; i += LOAD_MESSAGES)
		e = identify_some(a, numbers + i, MIN(count - i, (size_t)LOAD_MESSAGES), out + i);
	return e;
}

enum err
present_load(struct connection *c, struct account *a, struct mailbox_id id, struct present *out)
{
	struct snapshot *s = account_latest(a);
	uint64_t version = snapshot_version(s);
	uint32_t *numbers = NULL;
	size_t count = 0;
	enum err e;

	*out = (struct present){ 0 };
	snapshot_unref(s);
	e = UNTIL_DONE(&c->sleeper, account_wait_durable(a, version, &c->sleeper.w));
	if (e == ERR_OK)
		e = UNTIL_DONE(&c->sleeper,
		    mailbox_numbers(a, id, &c->sleeper.w, &numbers, &count));
	if (e != ERR_OK)
		return e;
	out->ids = xcalloc(count + 1, sizeof(*out->ids));
	out->count = out->cap = count;
	e = present_identify(a, numbers, count, out->ids);
	sort(out);
	free(numbers);
	return e;
}
