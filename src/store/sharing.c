/* sharing.c - see sharing.h. */
#include "store/sharing.h"

#include "store/commit_int.h"

#include <stdlib.h>

/* ---- changing a list ------------------------------------------------------------------------- */

static unsigned
changed_rights(enum acl_change change, unsigned before, unsigned rights)
{
	switch (change) {
	case ACL_REPLACE:
		return rights;
	case ACL_ADD:
		return before | rights;
	case ACL_REMOVE:
		return before & ~rights;
	case ACL_DELETE:
		break;
	}
	return 0;
}

/* The list afterwards. The owner's entry stands for all rights until it is written. */
static enum err
change_list(const struct account *a, struct str list, struct str identifier, enum acl_change change,
    unsigned rights, struct buf *out)
{
	bool is_owner = str_eq(identifier, a->user);
	unsigned before = is_owner ? RIGHTS_ALL : 0;

	if (acl_find(list, identifier, &before) && is_owner)
		before |= RIGHTS_OWNER;
	rights = changed_rights(change, before, rights);
	if (is_owner)
		rights |= RIGHTS_OWNER;
	return acl_set(list, identifier, rights, is_owner || change != ACL_DELETE, out);
}

static bool
gives(struct str list, struct str identifier)
{
	unsigned rights;

	return acl_find(list, identifier, &rights) && rights != 0;
}

/* Whether the list of any mailbox but `except` gives the identifier something. */
static bool
is_shared_elsewhere(const struct commit *c, int64_t except, struct str identifier)
{
	unsigned rights;

	for (uint32_t i = 0; i < c->state_count; i++) {
		if (i != except && acl_find(c->states[i]->info.acl, identifier, &rights)
		    && rights != 0)
			return true;
	}
	return false;
}

/* The index's row comes or goes with the list's entry. */
static void
change_index(const struct commit *c, uint32_t at, struct str before, struct str after,
    struct str identifier, struct kv_txn **t)
{
	const bool is = gives(after, identifier);
	BUF_CLEAN struct buf key = BUF_MAX(2 + ACL_IDENTIFIER_MAX + USER_NAME_MAX);
	BUF_CLEAN struct buf value = BUF_MAX(8);

	if (identifier.p[0] == '-' || str_eq(identifier, c->account->user)
	    || is == gives(before, identifier) || is_shared_elsewhere(c, at, identifier))
		return;
	row_key_share(&key, identifier, c->account->user);
	u64_row_encode(c->account->id.v, &value);
	if (*t == NULL)
		*t = kv_txn_new(c->account->kv, ACCOUNT_SYSTEM, KV_UNVERSIONED, KV_UNVERSIONED);
	if (is)
		kv_put(*t, KV_ROW, buf_str(&key), buf_str(&value));
	else
		kv_del(*t, KV_ROW, buf_str(&key));
}

struct kv_txn *
commit_share(const struct commit *c, uint32_t i, struct str before, struct str after)
{
	struct str rest = before, identifier;
	struct kv_txn *t = NULL;
	unsigned rights;

	while (acl_next(&rest, &identifier, &rights)) {
		if (!acl_find(after, identifier, &rights))
			change_index(c, i, before, after, identifier, &t);
	}
	rest = after;
	while (acl_next(&rest, &identifier, &rights))
		change_index(c, i, before, after, identifier, &t);
	return t;
}

/* Whether a list gives anybody but the owner something. */
static bool
gives_others(const struct account *a, struct str list)
{
	struct str identifier;
	unsigned rights;

	while (acl_next(&list, &identifier, &rights)) {
		if (rights != 0 && identifier.p[0] != '-' && !str_eq(identifier, a->user))
			return true;
	}
	return false;
}

/*
 * A mailbox that is shared for the first time: what others have read is not to show, nor what its
 * owner has.
 */
static void
share_first(const struct commit *c, struct str before, struct mailbox_row *row)
{
	if (row->is_seen_private || row->is_seen_fixed || gives_others(c->account, before)
	    || !gives_others(c->account, row->acl))
		return;
	row->is_seen_private = true;
	row->seen_since = c->version;
}

void
sharing_changed(void *ctx, enum err e)
{
	struct store *s = ctx;

	if (e != ERR_OK)
		return;
	atomic_fetch_add(&s->shares_version, 1);
	waitlist_wake_all(&s->shared);
}

/* The account's mutex is held. */
static enum err
set_acl(struct commit *c, struct mailbox_id id, struct str identifier, enum acl_change change,
    unsigned rights, struct commit_set *set, bool *is_changed_out)
{
	BUF_CLEAN struct buf list = BUF_MAX(ACL_BYTES_MAX + ACL_IDENTIFIER_MAX + 3);
	int64_t at = snapshot_find_id(c->base, id);
	const struct mailbox_desc *d;
	struct mailbox_row row;
	enum err e;

	if (at < 0 || snapshot_state(c->base, (uint32_t)at)->info.is_noselect)
		return ERR_NOTFOUND;
	d = c->states[at]->desc;
	e = change_list(c->account, d->row.acl, identifier, change, rights, &list);
	if (e != ERR_OK)
		return e;
	*is_changed_out = !str_eq(buf_str(&list), d->row.acl);
	if (!*is_changed_out)
		return ERR_OK;
	row = d->row;
	row.acl = buf_str(&list);
	share_first(c, d->row.acl, &row);
	set->directory = commit_share(c, (uint32_t)at, d->row.acl, row.acl);
	commit_change_desc(c, (uint32_t)at, mailbox_desc_new(id, &row, d->name));
	return ERR_OK;
}

enum err
mailbox_set_acl(struct account *a, struct mailbox_id id, struct str identifier,
    enum acl_change change, unsigned rights, struct snapshot **after_out)
{
	struct commit_set set = { .store = a->store,
		.count = 1,
		.fn = sharing_changed,
		.ctx = a->store };
	bool is_changed = false;
	enum err e = commit_open(a, false, &set.commits[0]);

	if (e != ERR_OK)
		return e;
	e = set_acl(set.commits[0], id, identifier, change, rights, &set, &is_changed);
	return commit_close_set(&set, e, is_changed, after_out);
}

/* ---- the index ------------------------------------------------------------------------------- */

struct shares {
	_Atomic(uint32_t) refs; /* the caller, and a load on its way */
	struct store *store;
	uint64_t version; /* of the index, that was there when the load began */
	bool is_done;     /* under store->lock; what follows */
	enum err error;
	struct kv_rows *rows;
	struct str *owners; /* point into rows */
	size_t count;
	bool is_listed; /* owners were made of them */
};

void
shares_drop(struct shares *h)
{
	if (h == NULL)
		return;
	if (atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	if (h->rows != NULL)
		kv_rows_free(h->rows);
	free(h->owners);
	free(h);
}

static void
shares_loaded(void *ctx, enum err e, struct kv_rows *rows)
{
	struct shares *h = ctx;
	struct store *s = h->store;

	pthread_mutex_lock(&s->lock);
	h->error = e;
	h->rows = rows;
	h->is_done = true;
	pthread_mutex_unlock(&s->lock);
	waitlist_wake_all(&s->opened);
	shares_drop(h);                   /* who asked may have listed the owners, and gone */
	atomic_fetch_sub(&s->commits, 1); /* last: store_close() waits for it */
}

/* The rows of one identifier. */
static void
add_range(struct arena *a, struct str identifier, struct kv_range *range)
{
	BUF_CLEAN struct buf key = BUF_MAX(2 + ACL_IDENTIFIER_MAX);
	struct str from;
	char *to;

	row_key_share(&key, identifier, STR(""));
	from = arena_str(a, buf_str(&key));
	to = arena_alloc(a, from.n);
	memcpy(to, from.p, from.n);
	to[from.n - 1] = 1;
	*range = (struct kv_range){ .kind = KV_ROW,
		.from = from,
		.to = str_make(to, from.n),
		.limit = SHARES_MAX };
}

static struct shares *
shares_load(struct store *s, const struct identity *who, uint64_t version)
{
	struct kv_range ranges[SHARING_GROUPS_MAX + 2];
	struct shares *h = xcalloc(1, sizeof(*h));
	struct kv_rows *rows = NULL;
	struct arena a = ARENA_NONE;
	size_t n = 0;
	enum err e;

	*h = (struct shares){ .store = s, .version = version };
	atomic_init(&h->refs, 2);
	add_range(&a, who->user, &ranges[n++]);
	add_range(&a, STR("anyone"), &ranges[n++]);
	for (size_t i = 0; i < who->group_count && i < SHARING_GROUPS_MAX; i++)
		add_range(&a, arena_printf(&a, "$%.*s", STR_F(who->groups[i])), &ranges[n++]);
	atomic_fetch_add(&s->commits, 1);
	e = kv_load(s->o.kv, ACCOUNT_SYSTEM, ranges, n, &rows, shares_loaded, h);
	if (e != ERR_WAIT)
		shares_loaded(h, e, rows);
	arena_done(&a);
	return h;
}

static int
owner_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The owners' names from the rows, sorted, each once. */
static void
list_owners(struct shares *h, struct str self)
{
	size_t rows = 0, n = 0;

	for (size_t r = 0; r < h->rows->range_count; r++)
		rows += h->rows->ranges[r].count;
	h->owners = xcalloc(MAX(rows, 1), sizeof(struct str));
	h->is_listed = true;
	for (size_t r = 0; r < h->rows->range_count; r++) {
		for (size_t i = 0; i < h->rows->ranges[r].count; i++) {
			struct str key = h->rows->ranges[r].rows[i].key;
			size_t nul = str_chr(key, '\0');
			struct str owner =
			    nul == SIZE_MAX ? STR_NONE : str_sub(key, nul + 1, key.n);

			if (owner.n != 0 && !str_eq(owner, self))
				h->owners[n++] = owner;
		}
	}
	qsort(h->owners, n, sizeof(struct str), owner_cmp);
	for (size_t i = 0; i < n; i++) {
		if (h->count == 0 || !str_eq(h->owners[h->count - 1], h->owners[i]))
			h->owners[h->count++] = h->owners[i];
	}
}

enum err
shares_get(struct store *s, const struct identity *who, struct waiter *w, struct shares **held)
{
	uint64_t version = atomic_load(&s->shares_version);
	struct shares *h = *held;
	enum err e = ERR_OK;

	if (h != NULL && h->is_listed && h->version != version) {
		shares_drop(h);
		h = NULL;
	}
	if (h == NULL)
		h = *held = shares_load(s, who, version);
	if (h->is_listed)
		return ERR_OK;
	pthread_mutex_lock(&s->lock);
	if (!h->is_done) {
		waiter_wait(w, &s->opened);
		e = ERR_WAIT;
	}
	pthread_mutex_unlock(&s->lock);
	if (e == ERR_WAIT)
		return e;
	e = h->error;
	if (e == ERR_OK) {
		list_owners(h, who->user);
		return ERR_OK;
	}
	*held = NULL;
	shares_drop(h);
	return e;
}

uint64_t
shares_version(const struct store *s)
{
	return atomic_load(&s->shares_version);
}

uint64_t
shares_version_of(const struct shares *held)
{
	return held->version;
}

enum err
shares_wait_change(struct store *s, uint64_t known, struct waiter *w)
{
	/* Registered first, so that no change is missed in between. */
	waiter_wait(w, &s->shared);
	if (atomic_load(&s->shares_version) == known)
		return ERR_WAIT;
	waiter_cancel(w);
	return ERR_OK;
}

bool
shares_owner(const struct shares *held, size_t i, struct str *owner_out)
{
	if (held == NULL || i >= held->count)
		return false;
	*owner_out = held->owners[i];
	return true;
}
