/*
 * verify.c - the run: files and rows of the engine, the directory, each account, links of messages'
 * bytes. What can be made anew is, when that is allowed, account by account, in transactions that
 * follow no version: nobody else looks.
 */
#include "store/verify_int.h"

#include "base/bytes.h"
#include "base/size.h"

#include <stdlib.h>

enum { USERS_STEP = 1000, ACCOUNTS_APART = 64 };

void
verify_tell(struct verify *v, struct verify_finding *f)
{
	v->result.findings++;
	v->result.repaired += f->is_repaired;
	v->result.lost += f->is_lost && !f->is_repaired;
	v->o->found(v->o->ctx, f);
}

bool
verify_pace(struct verify *v, uint64_t bytes)
{
	v->result.bytes += bytes;
	if (!v->is_stopped && v->o->pace != NULL && !v->o->pace(v->o->ctx, bytes))
		v->is_stopped = true;
	return !v->is_stopped;
}

/* ---- the engine ---- */

struct engine_check {
	struct kv_checker k;
	struct verify *v;
};

static void
engine_fault(struct kv_checker *k, const char *file, const char *what)
{
	struct verify *v = container_of(k, struct engine_check, k)->v;
	struct verify_finding f = { .kind = *file != '\0' ? VERIFY_FILE : VERIFY_ENGINE,
		.file = str_c(file),
		.detail = str_c(what) };

	verify_tell(v, &f);
}

static bool
engine_pace(struct kv_checker *k, uint64_t bytes)
{
	return verify_pace(container_of(k, struct engine_check, k)->v, bytes);
}

/* ---- blobs ---- */

static int
blob_cmp(const void *a, const void *b)
{
	const struct verify_blob *x = a, *y = b;

	return x->name < y->name ? -1 : x->name > y->name;
}

static void
take_blob(void *ctx, const struct kv_blob *b)
{
	struct verify *v = ctx;

	if (v->blob_count == v->blob_cap) {
		v->blob_cap = v->blob_cap == 0 ? 1024 : size_mul(v->blob_cap, 2);
		v->blobs = xrealloc(v->blobs, size_mul(v->blob_cap, sizeof(*v->blobs)));
	}
	v->blobs[v->blob_count++] = (struct verify_blob){ .name = get_be64(b->id.sha256) };
}

static struct verify_blob *
blob_find(const struct verify *v, const struct blob_id *id)
{
	struct verify_blob key = { .name = get_be64(id->sha256) };

	return v->blob_count == 0
	    ? NULL
	    : bsearch(&key, v->blobs, v->blob_count, sizeof(*v->blobs), blob_cmp);
}

void
verify_blob_named(struct verify *v, const struct blob_id *id)
{
	struct verify_blob *b = blob_find(v, id);

	if (b != NULL)
		b->found++;
}

static bool
made_eq(const void *item, const void *key)
{
	return memcmp(item, key, sizeof(struct blob_id)) == 0;
}

bool
verify_blob_is_made(const struct verify *v, const struct blob_id *id)
{
	return hash_find(&v->made, get_be64(id->sha256), id) != NULL;
}

void
verify_blob_make(struct verify *v, const struct blob_id *id)
{
	struct blob_id *name;

	if (verify_blob_is_made(v, id))
		return;
	name = xmalloc(sizeof(*name));
	*name = *id;
	hash_insert(&v->made, get_be64(id->sha256), name);
}

static void
made_done(struct verify *v)
{
	void *name;

	for (size_t pos = 0; (name = hash_next(&v->made, &pos)) != NULL;)
		free(name);
	hash_done(&v->made);
}

static void
blobs_take(struct verify *v)
{
	v->are_links_known = v->o->first_account.v <= 1;
	if (kv_blobs_each(v->kv, take_blob, v) != ERR_OK)
		v->are_links_known = false;
	if (v->blob_count > 1)
		qsort(v->blobs, v->blob_count, sizeof(*v->blobs), blob_cmp);
}

/* ---- links: M3 ---- */

static void
try_lost(void *ctx, const struct kv_blob *b)
{
	struct verify *v = ctx;
	const struct verify_blob *known = blob_find(v, &b->id);

	if (known != NULL && b->links > known->found)
		verify_lost_try(v, b);
}

struct links_check {
	struct verify *v;
	struct kv_txn *txn;
};

static void
check_links(void *ctx, const struct kv_blob *b)
{
	struct links_check *c = ctx;
	const struct verify_blob *known = blob_find(c->v, &b->id);
	struct verify_finding f = { .kind = VERIFY_LINKS, .is_repaired = c->v->o->may_repair };
	BUF_CLEAN struct buf detail = BUF_MAX(256);

	if (known == NULL || b->links == known->found)
		return;
	if (c->v->o->may_repair && c->txn == NULL)
		c->txn = kv_txn_new(c->v->kv, ACCOUNT_SYSTEM, KV_UNVERSIONED, KV_UNVERSIONED);
	if (c->txn != NULL && known->found > b->links)
		kv_link(c->txn, &b->id, (uint32_t)MIN(known->found - b->links, UINT32_MAX), NULL);
	else if (c->txn != NULL)
		kv_unlink(c->txn, &b->id, (uint32_t)MIN(b->links - known->found, UINT32_MAX));
	buf_lit(&detail, "bytes ");
	for (size_t i = 0; i < 8; i++)
		buf_printf(&detail, "%02x", b->id.sha256[i]);
	buf_printf(&detail, ": %llu links, %llu messages", (unsigned long long)b->links,
	    (unsigned long long)known->found);
	f.detail = buf_str(&detail);
	verify_tell(c->v, &f);
}

static void
links_prove(struct verify *v)
{
	struct links_check c = { .v = v };

	if (v->lost != NULL && kv_blobs_each(v->kv, try_lost, v) != ERR_OK)
		v->are_links_known = false;
	if (verify_lost_end(v) > 0 || !v->are_links_known)
		return;
	ignore_err(kv_blobs_each(v->kv, check_links, &c),
	    "it could be read a moment ago, else that is told");
	if (c.txn != NULL && kv_commit_now(v->kv, &c.txn, 1) != ERR_OK)
		v->is_unwritten = true;
}

/* ---- accounts: A7 ---- */

/* What the directory says. */
struct directory {
	struct verify *v;

	struct known_account {
		uint64_t id;
		struct str user; /* own memory; empty: it is being removed */
		bool is_dying;
	} * known;

	size_t n, cap;
	uint64_t next; /* id of the next account */
	bool has_next;
	unsigned unresolved; /* accounts whose users nobody knows any more */
};

static void
known_add(struct directory *d, uint64_t id, struct str user, bool is_dying)
{
	if (d->n == d->cap) {
		d->cap = d->cap == 0 ? 64 : size_mul(d->cap, 2);
		d->known = xrealloc(d->known, size_mul(d->cap, sizeof(*d->known)));
	}
	d->known[d->n++] = (struct known_account){ .id = id,
		.user = str_make(xstrdup(user), user.n),
		.is_dying = is_dying };
}

bool
verify_version_set(struct verify *v, struct account_id id)
{
	struct clock *clock = clock_system();
	struct kv_txn *t;

	if (!v->o->may_repair)
		return false;
	/* Above any that was given: accounts don't change a thousand times a second for years. */
	t = kv_txn_new(v->kv, id, KV_UNVERSIONED, (uint64_t)clock->wall_ms(clock));
	if (kv_commit_now(v->kv, &t, 1) == ERR_OK)
		return true;
	v->is_unwritten = true;
	return false;
}

static void
tell_directory(struct verify *v, uint64_t id, struct str user, bool is_repaired, const char *detail)
{
	struct verify_finding f = { .kind = VERIFY_DIRECTORY,
		.is_repaired = is_repaired,
		.account = { id },
		.user = user,
		.detail = str_c(detail) };

	verify_tell(v, &f);
}

static void
take_directory(void *ctx, struct str key, struct str value)
{
	struct directory *d = ctx;
	uint64_t id;

	switch (key.n == 0 ? 0 : key.p[0]) {
	case 'U':
		if (u64_row_decode(value, &id) == ERR_OK)
			known_add(d, id, str_sub(key, 1, key.n), false);
		else
			tell_directory(d->v, 0, str_sub(key, 1, key.n), false,
			    "a user's row makes no sense");
		break;
	case 'D':
		if (row_key_parse_dying(key, &id))
			known_add(d, id, STR(""), true);
		break;
	case 'N':
		d->has_next = u64_row_decode(value, &d->next) == ERR_OK;
		break;
	}
}

static int
known_cmp(const void *a, const void *b)
{
	const struct known_account *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void
directory_put(struct verify *v, struct str key, uint64_t value)
{
	struct kv_txn *t = kv_txn_new(v->kv, ACCOUNT_SYSTEM, KV_UNVERSIONED, KV_UNVERSIONED);
	BUF_CLEAN struct buf row = BUF_MAX(8);

	u64_row_encode(value, &row);
	kv_put(t, KV_ROW, key, buf_str(&row));
	if (kv_commit_now(v->kv, &t, 1) != ERR_OK)
		v->is_unwritten = true;
}

/* The row may be hidden in a gap. */
static bool
directory_has(struct verify *v, struct arena *a, struct str key, uint64_t id)
{
	struct str value = STR_NONE;
	uint64_t found;

	return verify_row(v, a, ACCOUNT_SYSTEM, KV_ROW, key, &value) == ERR_OK && value.p != NULL
	    && u64_row_decode(value, &found) == ERR_OK && found == id;
}

/* An account that the directory does not have: its own row knows its name. */
static void
account_unknown(struct directory *d, uint64_t id)
{
	struct verify *v = d->v;
	struct arena a = ARENA_NONE;
	struct row_key key = row_key_account();
	struct str value = STR_NONE;
	BUF_CLEAN struct buf user = BUF_MAX(USER_NAME_MAX + 1);
	struct account_row row;
	uint64_t version = 0;
	bool is_there =
	    kv_versions(v->kv, &(struct account_id){ id }, 1, &version) != ERR_OK || version != 0;

	if (!is_there)
		return;
	if (verify_row(v, &a, (struct account_id){ id }, KV_ROW, row_key_str(&key), &value)
	    != ERR_OK) {
		v->are_links_known = false;
		d->unresolved++;
	} else if (value.p == NULL) {
		; /* it was deleted: its version stays */
	} else if (account_row_decode(value, &row) != ERR_OK) {
		v->are_links_known = false;
		d->unresolved++;
	} else {
		row_key_user(&user, row.user);
		if (!directory_has(v, &a, buf_str(&user), id)) {
			if (v->o->may_repair)
				directory_put(v, buf_str(&user), id);
			tell_directory(v, id, row.user, v->o->may_repair,
			    "the account is not in the directory");
		}
		verify_account(v, (struct account_id){ id }, row.user);
	}
	arena_done(&a);
}

/* Rows that are still being removed hold links. */
static void
take_dying(void *ctx, struct str key unused_arg, struct str value)
{
	struct message_record r;

	if (message_summary_decode(value, &r) == ERR_OK)
		verify_blob_named(ctx, &r.blob);
}

static void
account_known(struct verify *v, const struct known_account *k)
{
	struct verify_gaps gaps = { 0 };

	if (!k->is_dying) {
		verify_account(v, (struct account_id){ k->id }, k->user);
		return;
	}
	verify_rows(v, (struct account_id){ k->id }, KV_MESSAGE, STR("S"), STR("T"), take_dying, v,
	    &gaps);
	if (gaps.n > 0)
		v->are_links_known = false;
	verify_gaps_done(&gaps);
}

static void
accounts_prove(struct verify *v, struct directory *d, bool has_gaps)
{
	uint64_t end = d->n > 0 ? d->known[d->n - 1].id + 1 : 1;
	size_t at = 0;

	if (d->has_next)
		end = MAX(end, d->next);
	else if (has_gaps)
		end += ACCOUNTS_APART;
	if (!d->has_next)
		v->are_links_known = false;
	for (uint64_t id = MAX(v->o->first_account.v, 1u); id < end && !v->is_stopped; id++) {
		bool is_known = false;

		while (at < d->n && d->known[at].id < id)
			at++;
		for (; at < d->n && d->known[at].id == id; at++) {
			if (is_known)
				tell_directory(v, id, d->known[at].user, false,
				    "two users have the same account");
			else
				account_known(v, &d->known[at]);
			is_known = true;
		}
		if (!is_known)
			account_unknown(d, id);
		if (v->o->account_done != NULL && !v->is_stopped)
			v->o->account_done(v->o->ctx, (struct account_id){ id });
	}
}

static void
directory_prove(struct verify *v)
{
	struct directory d = { .v = v };
	struct verify_gaps gaps = { 0 };
	struct row_key key = row_key_next_account();
	struct arena a = ARENA_NONE;
	struct str value = STR_NONE;
	struct verify_finding refused = { .kind = VERIFY_REFUSED,
		.is_lost = true,
		.detail =
		    STR("rows of the directory can't be read: some users, or all, can't log in") };
	uint64_t highest, version;

	if (kv_versions(v->kv, &ACCOUNT_SYSTEM, 1, &version) != ERR_OK)
		refused.is_repaired = verify_version_set(v, ACCOUNT_SYSTEM);
	verify_rows(v, ACCOUNT_SYSTEM, KV_ROW, STR("D"), STR("V"), take_directory, &d, &gaps);
	if (gaps.n > 0 && !d.has_next
	    && verify_row(v, &a, ACCOUNT_SYSTEM, KV_ROW, row_key_str(&key), &value) == ERR_OK
	    && value.p != NULL)
		take_directory(&d, row_key_str(&key), value);
	arena_done(&a);
	if (d.n > 1)
		qsort(d.known, d.n, sizeof(*d.known), known_cmp);
	accounts_prove(v, &d, gaps.n > 0);
	highest = d.n > 0 ? d.known[d.n - 1].id : 0;
	if (refused.is_repaired || (gaps.n > 0 && (d.unresolved > 0 || !d.has_next)))
		verify_tell(v, &refused);
	if (!v->is_stopped && (d.n > 0 || gaps.n > 0) && (!d.has_next || d.next <= highest)) {
		if (v->o->may_repair)
			directory_put(v, row_key_str(&key), highest + ACCOUNTS_APART);
		tell_directory(v, 0, STR_NONE, v->o->may_repair,
		    "the number of the next account is lost or in use");
	}
	for (size_t i = 0; i < d.n; i++)
		free((char *)d.known[i].user.p);
	free(d.known);
	verify_gaps_done(&gaps);
}

enum err
verify_run(const struct verify_options *o, struct verify_result *out)
{
	struct verify v = { .o = o, .kv = o->kv };
	struct engine_check engine = { .k = { engine_fault, engine_pace }, .v = &v };

	hash_init(&v.made, made_eq);
	if (!o->skip_bytes && o->first_account.v <= 1)
		ignore_err(kv_check(o->kv, &engine.k), "stopped: what follows sees it too");
	blobs_take(&v);
	directory_prove(&v);
	if (!v.is_stopped)
		links_prove(&v);
	else
		verify_lost_end(&v);
	free(v.blobs);
	made_done(&v);
	*out = v.result;
	return v.is_unwritten ? ERR_IO : v.is_stopped ? ERR_END : ERR_OK;
}
