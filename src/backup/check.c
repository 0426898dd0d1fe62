/* check.c - see check.h. */
#include "backup/check.h"

#include "base/bytes.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

enum err
backup_manifest(struct repo *r, const char *name, struct arena *a, struct manifest *out)
{
	BUF_CLEAN struct buf text = BUF_MAX(SIZE_MAX / 2);
	enum err e = repo_backup_text(r, name, &text);

	return e == ERR_OK ? manifest_parse(a, buf_str(&text), out) : e;
}

/* ---- images ---------------------------------------------------------------------------------- */

/* All rows of a kind. What can't be read is passed over, and the first error kept. */
static void
image_kind(struct repo *r, const struct account_lists *l, enum kv_kind kind, struct image *image,
    enum err *e_out)
{
	BUF_CLEAN struct buf rows = BUF_MAX(SIZE_MAX / 2);

	for (size_t i = 0; i < account_list_count(l, kind); i++) {
		struct blob_id id = account_list_at(l, kind, i);
		enum err e = repo_read(r, &id, &rows);
		struct str rest = buf_str(&rows), key, value;

		while (e == ERR_OK && rows_next(&rest, &key, &value))
			image_add(image, kind, key, value);
		if (e == ERR_OK && rest.n != 0)
			e = ERR_CORRUPT;
		if (e != ERR_OK && *e_out == ERR_OK)
			*e_out = e;
	}
}

enum err
backup_image(struct repo *r, const struct manifest_account *account, enum image_need need,
    struct image *image)
{
	BUF_CLEAN struct buf object = BUF_MAX(SIZE_MAX / 2);
	struct account_lists lists;
	enum err e;

	image_init(image);
	e = repo_read(r, &account->object, &object);
	if (e != ERR_OK)
		return e;
	e = account_lists_decode(buf_str(&object), &lists);
	if (e == ERR_OK) {
		image_kind(r, &lists, KV_ROW, image, &e);
		image_kind(r, &lists, KV_PAGE, image, &e);
		if (need != IMAGE_BOXES)
			image_kind(r, &lists, KV_MESSAGE, image, &e);
		if (need == IMAGE_WHOLE)
			image_kind(r, &lists, KV_MESSAGE, image, &e);
		image_kind(r, &lists, KV_LOG, image, &e);
		image_read_undo(image);
	}
	account_lists_done(&lists);
	return e == ERR_OK && image->is_damaged ? ERR_CORRUPT : e;
}

/* ---- sets of names --------------------------------------------------------------------------- */

struct id_set {
	struct arena arena;
	struct hash ids;
};

static bool
id_is(const void *item, const void *key)
{
	return object_id_eq(item, key);
}

static void
id_set_init(struct id_set *s)
{
	*s = (struct id_set){ 0 };
	hash_init(&s->ids, id_is);
}

static void
id_set_done(struct id_set *s)
{
	hash_done(&s->ids);
	arena_done(&s->arena);
}

static bool
id_set_has(const struct id_set *s, const struct blob_id *id)
{
	return hash_find(&s->ids, get_le64(id->sha256), id) != NULL;
}

/* False when it was there. */
static bool
id_set_add(struct id_set *s, const struct blob_id *id)
{
	struct blob_id *own;

	if (id_set_has(s, id))
		return false;
	own = arena_new(&s->arena, struct blob_id);
	*own = *id;
	hash_insert(&s->ids, get_le64(id->sha256), own);
	return true;
}

/* Calls fn for each blob of an account; fn returns false to stop. */
typedef bool blob_fn(void *ctx, const struct blob_id *id);

static enum err
each_blob(struct repo *r, const struct account_lists *l, blob_fn *fn, void *ctx)
{
	BUF_CLEAN struct buf names = BUF_MAX(SIZE_MAX / 2);
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < account_list_count(l, LIST_BLOBS); i++) {
		struct blob_id list = account_list_at(l, LIST_BLOBS, i), id;

		e = repo_read(r, &list, &names);
		for (size_t at = 0; e == ERR_OK && at + sizeof(id.sha256) <= names.n;
		     at += sizeof(id.sha256)) {
			memcpy(id.sha256, names.p + at, sizeof(id.sha256));
			if (!fn(ctx, &id))
				return ERR_OK;
		}
	}
	return e;
}

/* ---- checking -------------------------------------------------------------------------------- */

struct check {
	struct repo *repo;
	damage_fn *fn;
	void *ctx;
	struct check_sums *sums;
	struct id_set bad;  /* objects that are damaged */
	struct id_set seen; /* accounts' objects that were followed */
	const char *backup;
	bool has_lost; /* a blob of the account at hand */
};

static void
tell(struct check *c, const struct damage *d)
{
	c->sums->damages++;
	c->fn(c->ctx, d);
}

static bool
check_object(void *ctx, const char *pack, const struct pack_entry *entry, enum err e,
    struct str bytes)
{
	struct check *c = ctx;
	char what[OBJECT_HEX_BYTES + 64], hex[OBJECT_HEX_BYTES + 1];

	if (entry->kind != 0)
		c->sums->objects++;
	c->sums->bytes += bytes.n;
	if (e == ERR_OK)
		return true;
	if (entry->kind == 0) {
		tell(c,
		    &(struct damage){ .file = pack, .what = "the file is damaged or not whole" });
		return true;
	}
	id_set_add(&c->bad, &entry->id);
	object_id_hex(&entry->id, hex);
	snprintf(what, sizeof(what), "object %.12s at byte %llu is damaged", hex,
	    (unsigned long long)entry->offset);
	tell(c, &(struct damage){ .file = pack, .what = what });
	return true;
}

static bool
is_good(const struct check *c, const struct blob_id *id)
{
	return repo_find(c->repo, id) != NULL && !id_set_has(&c->bad, id);
}

/* Names the mailboxes and UIDs of messages whose bytes are not there. */
static void
name_lost(struct check *c, const struct manifest_account *account)
{
	struct image image;
	enum err e = backup_image(c->repo, account, IMAGE_MESSAGES, &image);

	if (e != ERR_OK)
		tell(c,
		    &(struct damage){ .backup = c->backup,
			.user = account->user,
			.what = "some of its rows are lost" });
	image_finish(&image, IMAGE_NOW);
	for (size_t b = 0; b < image.box_count; b++) {
		for (size_t k = 0; k < image.boxes[b].count; k++) {
			const struct image_entry *entry = &image.boxes[b].entries[k];
			const struct image_message *m = image_message(&image, entry->e.msgno);

			if (m == NULL || !is_good(c, &m->blob))
				tell(c,
				    &(struct damage){ .backup = c->backup,
					.user = account->user,
					.mailbox = image.boxes[b].name,
					.uid = entry->uid,
					.what = m == NULL ? "the message's record is lost"
							  : "the message is lost" });
		}
	}
	image_done(&image);
}

/* Stops at the first that is lost. */
static bool
blob_is_good(void *ctx, const struct blob_id *id)
{
	struct check *c = ctx;

	c->has_lost = c->has_lost || !is_good(c, id);
	return !c->has_lost;
}

static void
check_account(struct check *c, const struct manifest_account *account)
{
	BUF_CLEAN struct buf object = BUF_MAX(SIZE_MAX / 2);
	struct account_lists lists;
	bool is_whole = true;

	c->sums->accounts++;
	if (!id_set_add(&c->seen, &account->object))
		return;
	if (!is_good(c, &account->object) || repo_read(c->repo, &account->object, &object) != ERR_OK
	    || account_lists_decode(buf_str(&object), &lists) != ERR_OK) {
		tell(c,
		    &(struct damage){ .backup = c->backup,
			.user = account->user,
			.what = "the account is lost" });
		return;
	}
	for (unsigned l = 0; l <= LIST_BLOBS; l++) {
		for (size_t i = 0; i < account_list_count(&lists, l); i++) {
			struct blob_id id = account_list_at(&lists, l, i);

			is_whole = is_whole && is_good(c, &id);
		}
	}
	c->has_lost = !is_whole;
	if (is_whole && each_blob(c->repo, &lists, blob_is_good, c) != ERR_OK)
		c->has_lost = true;
	account_lists_done(&lists);
	if (c->has_lost)
		name_lost(c, account);
}

static void
check_backup(struct check *c, const char *name)
{
	struct arena a = ARENA_NONE;
	struct manifest m;
	enum err e = backup_manifest(c->repo, name, &a, &m);

	c->backup = name;
	c->sums->backups++;
	if (e != ERR_OK) {
		tell(c,
		    &(struct damage){ .file = name,
			.backup = name,
			.what = e == ERR_NEWER
			    ? "a newer version of this program made it; this one can't say what is in it"
			    : "the manifest is damaged" });
	} else {
		for (size_t i = 0; i < m.user_count; i++) {
			if (!is_good(c, &m.users[i]))
				tell(c,
				    &(struct damage){ .backup = name,
					.what = "some rows of the users database are lost" });
		}
		for (size_t i = 0; i < m.account_count; i++)
			check_account(c, &m.accounts[i]);
	}
	arena_done(&a);
}

enum err
backup_check(struct repo *r, damage_fn *fn, void *ctx, struct check_sums *sums_out)
{
	struct check c = { .repo = r, .fn = fn, .ctx = ctx, .sums = sums_out };
	enum err e;

	*sums_out = (struct check_sums){ 0 };
	id_set_init(&c.bad);
	id_set_init(&c.seen);
	e = repo_check(r, check_object, &c);
	for (size_t i = 0; e == ERR_OK && repo_backup_name(r, i) != NULL; i++)
		check_backup(&c, repo_backup_name(r, i));
	id_set_done(&c.bad);
	id_set_done(&c.seen);
	return e;
}

/* ---- pruning --------------------------------------------------------------------------------- */

static bool
want_blob(void *ctx, const struct blob_id *id)
{
	id_set_add(ctx, id);
	return true;
}

static enum err
want_account(struct repo *r, struct id_set *wanted, const struct manifest_account *account)
{
	BUF_CLEAN struct buf object = BUF_MAX(SIZE_MAX / 2);
	struct account_lists lists;
	enum err e;

	if (!id_set_add(wanted, &account->object))
		return ERR_OK;
	e = repo_read(r, &account->object, &object);
	if (e != ERR_OK)
		return ERR_CORRUPT;
	e = account_lists_decode(buf_str(&object), &lists);
	for (unsigned l = 0; e == ERR_OK && l <= LIST_BLOBS; l++) {
		for (size_t i = 0; i < account_list_count(&lists, l); i++) {
			struct blob_id id = account_list_at(&lists, l, i);

			id_set_add(wanted, &id);
		}
	}
	if (e == ERR_OK)
		e = each_blob(r, &lists, want_blob, wanted);
	account_lists_done(&lists);
	return e;
}

static enum err
want_backup(struct repo *r, struct id_set *wanted, const char *name)
{
	struct arena a = ARENA_NONE;
	struct manifest m;
	enum err e = backup_manifest(r, name, &a, &m);

	if (e == ERR_OK) {
		for (size_t i = 0; i < m.user_count; i++)
			id_set_add(wanted, &m.users[i]);
		for (size_t i = 0; e == ERR_OK && i < m.account_count; i++)
			e = want_account(r, wanted, &m.accounts[i]);
	}
	arena_done(&a);
	return e;
}

static bool
is_wanted(void *ctx, const struct blob_id *id)
{
	return id_set_has(ctx, id);
}

enum err
backup_prune(struct repo *r, size_t keep, size_t *removed_out, uint64_t *freed_out)
{
	size_t count = 0;
	struct id_set wanted;
	enum err e = ERR_OK;

	*removed_out = 0;
	*freed_out = 0;
	while (repo_backup_name(r, count) != NULL)
		count++;
	id_set_init(&wanted);
	for (size_t i = count > keep ? count - keep : 0; e == ERR_OK && i < count; i++)
		e = want_backup(r, &wanted, repo_backup_name(r, i));
	/* The manifests go first: what is left of the others' objects afterwards harms nobody. */
	for (size_t i = 0; e == ERR_OK && i + keep < count; i++) {
		e = repo_remove_backup(r, repo_backup_name(r, i));
		*removed_out += e == ERR_OK;
	}
	if (e == ERR_OK)
		e = repo_sweep(r, is_wanted, &wanted, freed_out);
	id_set_done(&wanted);
	return e;
}
