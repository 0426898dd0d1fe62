/*
 * snapshot.c - immutable snapshots of an account: an array of mailbox states in chunks, so that a
 * commit which changes one mailbox copies one chunk, whatever their number.
 */
#include "store/seen_int.h"

#include <stdlib.h>

/* ---- descs and states ------------------------------------------------------------------------ */

static struct str
text_put(char **at, struct str text)
{
	struct str out = str_make(*at, text.n);

	memcpy(*at, text.p, text.n);
	*at += text.n;
	return out;
}

struct mailbox_desc *
mailbox_desc_new(struct mailbox_id id, const struct mailbox_row *row, struct str name)
{
	size_t size = row->keyword_count * sizeof(struct str) + name.n + row->acl.n
	    + row->annotations.n,
	       leaf = str_rchr(name, '/');
	struct mailbox_desc *d;
	struct str *keywords;
	char *at;

	for (uint32_t i = KEYWORDS_REGISTERED; i < row->keyword_count; i++)
		size += row->keywords[i].n;
	d = xmalloc(sizeof(*d) + size);
	atomic_init(&d->refs, 1);
	d->id = id;
	d->row = *row;
	keywords = (struct str *)(void *)d->texts;
	at = d->texts + row->keyword_count * sizeof(struct str);
	d->name = text_put(&at, name);
	d->row.name = leaf == SIZE_MAX ? d->name : str_sub(d->name, leaf + 1, d->name.n);
	for (uint32_t i = 0; i < row->keyword_count; i++)
		keywords[i] =
		    i < KEYWORDS_REGISTERED ? row->keywords[i] : text_put(&at, row->keywords[i]);
	d->row.keywords = keywords;
	d->row.acl = row->acl.n == 0 ? STR_NONE : text_put(&at, row->acl);
	d->row.annotations = row->annotations.n == 0 ? STR_NONE : text_put(&at, row->annotations);
	return d;
}

struct mailbox_desc *
mailbox_desc_ref(struct mailbox_desc *d)
{
	atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
	return d;
}

void
mailbox_desc_unref(struct mailbox_desc *d)
{
	if (d == NULL || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(d);
}

static void
info_from_desc(struct mailbox_info *info, const struct mailbox_desc *d)
{
	info->id = d->id;
	info->name = d->name;
	info->uidvalidity = d->row.uidvalidity;
	info->special_use = d->row.special_use;
	info->is_noselect = d->row.is_noselect;
	info->is_subscribed = d->row.is_subscribed;
	info->is_seen_private = d->row.is_seen_private;
	info->is_seen_fixed = d->row.is_seen_fixed;
	info->seen_since = d->row.seen_since;
	info->keyword_count = d->row.keyword_count;
	info->keywords = d->row.keywords;
	info->acl = d->row.acl;
	info->annotations = d->row.annotations;
}

struct mailbox_state *
mailbox_state_new(struct mailbox_desc *desc, const struct status_row *status)
{
	struct mailbox_state *s = xcalloc(1, sizeof(*s));

	atomic_init(&s->refs, 1);
	s->desc = desc;
	s->info = (struct mailbox_info){
		.uidnext = status->uidnext,
		.highestmodseq = status->highestmodseq,
		.exists = status->exists,
		.unseen = status->unseen,
		.deleted = status->deleted,
		.size_bytes = status->size_bytes,
		.deleted_bytes = status->deleted_bytes,
		.notes_bytes = status->notes_bytes,
		.recent_from = status->recent_from,
		.state = s,
	};
	info_from_desc(&s->info, desc);
	return s;
}

struct mailbox_state *
mailbox_state_copy(const struct mailbox_state *from)
{
	struct mailbox_state *s = xmalloc(sizeof(*s));

	s->has_tree = from->has_tree;
	s->tree = tree_ref(from->tree);
	s->seen = seen_users_ref(from->seen);
	s->seen_trees = NULL;
	if (from->seen_trees != NULL)
		seen_attach(s, from->seen, from->seen_trees);
	s->info = from->info;
	s->info.state = s;
	/* A copy of what is not published yet stands in its place. */
	if (from->info.version != 0)
		s->info.version_before = from->info.version;
	s->info.version = 0;
	s->desc = mailbox_desc_ref(from->desc);
	atomic_init(&s->refs, 1);
	return s;
}

struct mailbox_state *
mailbox_state_ref(struct mailbox_state *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
mailbox_state_unref(struct mailbox_state *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	tree_unref(s->tree);
	seen_detach(s);
	seen_users_unref(s->seen);
	mailbox_desc_unref(s->desc);
	free(s);
}

void
mailbox_state_set_desc(struct mailbox_state *s, struct mailbox_desc *desc)
{
	mailbox_desc_unref(s->desc);
	s->desc = desc;
	info_from_desc(&s->info, desc);
}

void
mailbox_state_status(const struct mailbox_state *s, struct status_row *out)
{
	*out = (struct status_row){
		.highestmodseq = s->info.highestmodseq,
		.uidnext = s->info.uidnext,
		.recent_from = s->info.recent_from,
		.exists = s->info.exists,
		.unseen = s->info.unseen,
		.deleted = s->info.deleted,
		.size_bytes = s->info.size_bytes,
		.deleted_bytes = s->info.deleted_bytes,
		.notes_bytes = s->info.notes_bytes,
	};
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool
is_inbox(struct str name)
{
	return name.n >= 5 && memcmp(name.p, "INBOX", 5) == 0 && (name.n == 5 || name.p[5] == '/');
}

int
mailbox_name_cmp(struct str a, struct str b)
{
	bool a_inbox = is_inbox(a), b_inbox = is_inbox(b);
	size_t n = MIN(a.n, b.n), i = 0;

	if (a_inbox != b_inbox)
		return a_inbox ? -1 : 1;
	while (i < n && a.p[i] == b.p[i])
		i++;
	if (i == n)
		return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
	if (a.p[i] == '/' || b.p[i] == '/')
		return a.p[i] == '/' ? -1 : 1;
	return (uint8_t)a.p[i] < (uint8_t)b.p[i] ? -1 : 1;
}

bool
mailbox_name_is_below(struct str b, struct str a)
{
	return b.n > a.n && b.p[a.n] == '/' && memcmp(b.p, a.p, a.n) == 0;
}

struct str
mailbox_name_canonical(struct str name, char *space)
{
	if (name.n < 5 || name.n > MAILBOX_NAME_MAX
	    || !str_eq_nocase(str_sub(name, 0, 5), STR("INBOX")) || (name.n > 5 && name.p[5] != '/')
	    || memcmp(name.p, "INBOX", 5) == 0)
		return name;
	memcpy(space, name.p, name.n);
	memcpy(space, "INBOX", 5);
	return str_make(space, name.n);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static uint32_t
chunk_count(uint32_t states)
{
	return (states + CHUNK_STATES - 1) / CHUNK_STATES;
}

static void
chunk_unref(struct state_chunk *c)
{
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < CHUNK_STATES; i++)
		mailbox_state_unref(c->states[i]);
	free(c);
}

static struct snapshot *
snapshot_new(struct account *a, uint64_t version, const struct account_row *row, uint32_t count)
{
	struct snapshot *s = xmalloc(sizeof(*s) + chunk_count(count) * sizeof(s->chunks[0]));

	atomic_init(&s->refs, 1);
	s->account = a;
	s->version = version;
	s->row = *row;
	s->row.user = STR_NONE;
	s->count = count;
	return s;
}

/*
 * Whether there is something to select below, for all: they are sorted, so what is below a name
 * follows it.
 */
static void
find_children(struct mailbox_state **states, uint32_t count)
{
	uint32_t above[MAILBOX_DEPTH_MAX + 1], depth = 0;
	bool *has = xcalloc(count == 0 ? 1 : count, sizeof(*has));

	for (uint32_t i = 0; i < count; i++) {
		struct str name = states[i]->info.name;

		while (
		    depth != 0 && !mailbox_name_is_below(name, states[above[depth - 1]]->info.name))
			depth--;
		for (uint32_t d = depth;
		     d != 0 && !states[i]->info.is_noselect && !has[above[d - 1]]; d--)
			has[above[d - 1]] = true;
		if (depth <= MAILBOX_DEPTH_MAX)
			above[depth++] = i;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct mailbox_state *s = states[i];

		if (s->info.has_children == has[i])
			continue;
		states[i] = mailbox_state_copy(s);
		states[i]->info.has_children = has[i];
		mailbox_state_unref(s);
	}
	free(has);
}

static int
place_cmp(const void *a, const void *b)
{
	const struct state_place *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

struct snapshot *
snapshot_build(struct account *a, uint64_t version, const struct account_row *row,
    struct mailbox_state **states, uint32_t count)
{
	struct snapshot *s = snapshot_new(a, version, row, count);

	find_children(states, count);
	for (uint32_t i = 0; i < count; i++) {
		if (states[i]->info.version == 0)
			states[i]->info.version = version;
	}
	for (uint32_t i = 0; i < chunk_count(count); i++) {
		struct state_chunk *c = xcalloc(1, sizeof(*c));

		atomic_init(&c->refs, 1);
		for (uint32_t k = 0; k < CHUNK_STATES && i * CHUNK_STATES + k < count; k++)
			c->states[k] = states[i * CHUNK_STATES + k];
		s->chunks[i] = c;
	}
	s->index = xmalloc(sizeof(*s->index) + count * sizeof(s->index->places[0]));
	atomic_init(&s->index->refs, 1);
	for (uint32_t i = 0; i < count; i++)
		s->index->places[i] = (struct state_place){ states[i]->info.id.v, i };
	qsort(s->index->places, count, sizeof(s->index->places[0]), place_cmp);
	return s;
}

/* A chunk of its own in place of a shared one. */
static struct state_chunk *
chunk_own(struct state_chunk *from)
{
	struct state_chunk *c = xmalloc(sizeof(*c));

	atomic_init(&c->refs, 1);
	for (unsigned i = 0; i < CHUNK_STATES; i++)
		c->states[i] = from->states[i] != NULL ? mailbox_state_ref(from->states[i]) : NULL;
	return c;
}

struct snapshot *
snapshot_change(const struct snapshot *base, uint64_t version, const struct account_row *row,
    const uint32_t *at, struct mailbox_state *const *states, uint32_t count)
{
	struct snapshot *s = snapshot_new(base->account, version, row, base->count);
	uint32_t chunks = chunk_count(base->count), next = 0;

	for (uint32_t i = 0; i < chunks; i++) {
		if (next == count || at[next] / CHUNK_STATES != i) {
			atomic_fetch_add_explicit(&base->chunks[i]->refs, 1, memory_order_relaxed);
			s->chunks[i] = base->chunks[i];
			continue;
		}
		s->chunks[i] = chunk_own(base->chunks[i]);
		for (; next < count && at[next] / CHUNK_STATES == i; next++) {
			mailbox_state_unref(s->chunks[i]->states[at[next] % CHUNK_STATES]);
			s->chunks[i]->states[at[next] % CHUNK_STATES] = states[next];
			states[next]->info.version = version;
		}
	}
	atomic_fetch_add_explicit(&base->index->refs, 1, memory_order_relaxed);
	s->index = base->index;
	return s;
}

struct snapshot *
snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
snapshot_unref(struct snapshot *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < chunk_count(s->count); i++)
		chunk_unref(s->chunks[i]);
	if (atomic_fetch_sub_explicit(&s->index->refs, 1, memory_order_acq_rel) == 1)
		free(s->index);
	free(s);
}

uint64_t
snapshot_version(const struct snapshot *s)
{
	return s->version;
}

struct account *
snapshot_account(const struct snapshot *s)
{
	return s->account;
}

void
snapshot_usage(const struct snapshot *s, struct account_usage *out)
{
	*out = (struct account_usage){
		.size_bytes = s->row.size_bytes,
		.messages = s->row.messages,
		.mailboxes = s->count,
	};
}

int64_t
snapshot_find_id(const struct snapshot *s, struct mailbox_id id)
{
	struct state_place key = { .id = id.v };
	const struct state_place *p;

	p = bsearch(&key, s->index->places, s->count, sizeof(key), place_cmp);
	return p == NULL ? -1 : (int64_t)p->at;
}

uint32_t
snapshot_lower_bound(const struct snapshot *s, struct str name)
{
	uint32_t low = 0, high = s->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (mailbox_name_cmp(snapshot_state(s, mid)->info.name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int64_t
snapshot_find_name(const struct snapshot *s, struct str name)
{
	char space[MAILBOX_NAME_MAX];
	uint32_t i;

	name = mailbox_name_canonical(name, space);
	i = snapshot_lower_bound(s, name);
	return i < s->count && str_eq(snapshot_state(s, i)->info.name, name) ? (int64_t)i : -1;
}

const struct mailbox_info *
snapshot_mailbox(const struct snapshot *s, struct str name)
{
	int64_t at = snapshot_find_name(s, name);

	return at < 0 ? NULL : &snapshot_state(s, (uint32_t)at)->info;
}

const struct mailbox_info *
snapshot_mailbox_by_id(const struct snapshot *s, struct mailbox_id id)
{
	int64_t at = snapshot_find_id(s, id);

	return at < 0 ? NULL : &snapshot_state(s, (uint32_t)at)->info;
}

const struct mailbox_info *
snapshot_mailbox_at(const struct snapshot *s, uint32_t i)
{
	return i < s->count ? &snapshot_state(s, i)->info : NULL;
}

uint32_t
snapshot_mailbox_place(const struct snapshot *s, struct str name)
{
	return snapshot_lower_bound(s, name);
}

/* ---- differences ----------------------------------------------------------------------------- */

static const struct mailbox_info *
info_at(const struct snapshot *s, uint32_t place)
{
	return &snapshot_state(s, s->index->places[place].at)->info;
}

/* The same mailboxes in the same places: only chunks that are not shared are looked at. */
static bool
next_in_place(struct snapshot_difference *d, const struct mailbox_info **before_out,
    const struct mailbox_info **after_out)
{
	while (d->at_after < d->after->count) {
		uint32_t at = d->at_after;

		if (d->before->chunks[at / CHUNK_STATES] == d->after->chunks[at / CHUNK_STATES]) {
			d->at_after = (at / CHUNK_STATES + 1) * CHUNK_STATES;
			continue;
		}
		d->at_after++;
		*before_out = &snapshot_state(d->before, at)->info;
		*after_out = &snapshot_state(d->after, at)->info;
		if (*before_out != *after_out)
			return true;
	}
	return false;
}

bool
snapshot_difference_next(struct snapshot_difference *d, const struct mailbox_info **before_out,
    const struct mailbox_info **after_out)
{
	uint32_t before_count = d->before == NULL ? 0 : d->before->count;

	if (d->before != NULL && d->before->index == d->after->index)
		return next_in_place(d, before_out, after_out);
	while (d->at_before < before_count || d->at_after < d->after->count) {
		uint64_t was = d->at_before < before_count
		    ? d->before->index->places[d->at_before].id
		    : UINT64_MAX;
		uint64_t is = d->at_after < d->after->count
		    ? d->after->index->places[d->at_after].id
		    : UINT64_MAX;

		*before_out = was <= is ? info_at(d->before, d->at_before) : NULL;
		*after_out = is <= was ? info_at(d->after, d->at_after) : NULL;
		d->at_before += was <= is;
		d->at_after += is <= was;
		if (*before_out != *after_out)
			return true;
	}
	return false;
}
