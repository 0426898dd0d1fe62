/* repo.c - see repo.h: a repository's objects, and reading them. */
#include "backup/repo_int.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_MAX_BYTES ((size_t)1 << 30)

static bool
object_has_id(const void *item, const void *key)
{
	return object_id_eq(&((const struct object *)item)->entry.id, key);
}

static uint64_t
id_hash(const struct blob_id *id)
{
	return get_le64(id->sha256);
}

struct object *
object_find(const struct repo *r, const struct blob_id *id)
{
	return hash_find(&r->objects, id_hash(id), id);
}

void
object_note(struct repo *r, const struct pack_entry *e, size_t pack)
{
	struct object *o;

	o = object_find(r, &e->id);
	if (o != NULL) {
		if (o->pack == PACK_UNFINISHED)
			*o = (struct object){ *e, pack };
		return;
	}
	o = arena_new(&r->arena, struct object);
	*o = (struct object){ *e, pack };
	hash_insert(&r->objects, id_hash(&e->id), o);
}

static struct repo *
repo_new(void)
{
	struct repo *r = xcalloc(1, sizeof(*r));

	r->dir_fd = r->lock_fd = r->out_fd = -1;
	hash_init(&r->objects, object_has_id);
	return r;
}

const char *
repo_path(struct buf *b, const char *folder, const char *name)
{
	buf_clear(b);
	buf_printf(b, "%s/%s", folder, name);
	buf_chr(b, '\0');
	return b->p;
}

void
repo_unlink(struct repo *r, const char *folder, const char *name)
{
	BUF_CLEAN struct buf path = PATH_BUF;

	unlinkat(r->dir_fd, repo_path(&path, folder, name), 0);
}

void
repo_close(struct repo *r)
{
	if (r == NULL)
		return;
	pack_writer_free(r->writer);
	if (r->out_fd >= 0 && !r->is_stream) {
		repo_unlink(r, "packs", "tmp");
		close(r->out_fd);
	}
	for (size_t i = 0; i < r->pack_count; i++) {
		if (r->packs[i].fd >= 0)
			close(r->packs[i].fd);
		free(r->packs[i].entries);
	}
	free(r->packs);
	free(r->backups);
	hash_done(&r->objects);
	arena_done(&r->arena);
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	if (r->dir_fd >= 0)
		close(r->dir_fd);
	free(r);
}

size_t
repo_add_pack(struct repo *r, int fd, struct str name)
{
	struct pack *p;
	struct blob_id id;

	r->packs = xrealloc(r->packs, (r->pack_count + 1) * sizeof(*r->packs));
	p = &r->packs[r->pack_count];
	*p = (struct pack){ .fd = fd, .name = arena_cstr(&r->arena, name) };
	p->is_damaged = fd < 0 || pack_index(fd, &p->entries, &p->count, &id) != ERR_OK;
	if (!p->is_damaged && !r->is_stream) {
		char hex[OBJECT_HEX_BYTES + 1];

		object_id_hex(&id, hex);
		p->is_damaged = !str_starts(name, str_c(hex));
	}
	for (size_t i = 0; !p->is_damaged && i < p->count; i++)
		object_note(r, &p->entries[i], r->pack_count);
	return r->pack_count++;
}

enum err
repo_open_stream(int fd, struct repo **out, struct buf *detail)
{
	struct repo *r = repo_new();

	r->is_stream = true;
	repo_add_pack(r, fd, STR("stream"));
	r->backups = xcalloc(1, sizeof(*r->backups));
	if (r->packs[0].is_damaged || r->packs[0].count == 0
	    || r->packs[0].entries[r->packs[0].count - 1].kind != OBJECT_MANIFEST) {
		buf_lit(detail, "it is no backup, or one that is not whole");
		repo_close(r);
		return ERR_CORRUPT;
	}
	r->backups[0] = arena_cstr(&r->arena, STR("stream"));
	r->backup_count = 1;
	*out = r;
	return ERR_OK;
}

enum err
repo_open(const char *path, enum repo_how how, struct repo **out, struct buf *detail)
{
	struct repo *r;
	struct stat st;
	enum err e;

	errno = 0;
	if (how == REPO_READ && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			return repo_open_stream(fd, out, detail);
		buf_c(detail, strerror(errno));
		return ERR_IO;
	}
	r = repo_new();
	r->may_write = how == REPO_WRITE;
	e = folder_open(r, path, detail);
	if (e != ERR_OK) {
		repo_close(r);
		return e;
	}
	*out = r;
	return ERR_OK;
}

struct repo *
repo_stream(int fd)
{
	struct repo *r = repo_new();

	r->is_stream = true;
	r->may_write = true;
	r->out_fd = fd;
	r->writer = pack_writer_new(fd);
	return r;
}

const struct pack_entry *
repo_find(const struct repo *r, const struct blob_id *id)
{
	struct object *o = object_find(r, id);

	return o == NULL ? NULL : &o->entry;
}

enum err
repo_read(struct repo *r, const struct blob_id *id, struct buf *out)
{
	struct object *o = object_find(r, id);

	return o == NULL || o->pack == PACK_UNFINISHED
	    ? ERR_NOTFOUND
	    : pack_read(r->packs[o->pack].fd, &o->entry, out);
}

const char *
repo_damaged_pack(const struct repo *r, size_t i)
{
	for (size_t k = 0; k < r->pack_count; k++) {
		if (r->packs[k].is_damaged && i-- == 0)
			return r->packs[k].name;
	}
	return NULL;
}

const char *
repo_backup_name(const struct repo *r, size_t i)
{
	return i < r->backup_count ? r->backups[i] : NULL;
}

enum err
repo_backup_text(struct repo *r, const char *name, struct buf *out)
{
	BUF_CLEAN struct buf path = PATH_BUF;
	struct stat st;
	enum err e;
	int fd;

	if (r->is_stream)
		return pack_read(r->packs[0].fd, &r->packs[0].entries[r->packs[0].count - 1], out);
	fd = openat(r->dir_fd, repo_path(&path, "backups", name), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	e = fstat(fd, &st) == 0 ? ERR_OK : ERR_IO;
	if (e == ERR_OK && (uint64_t)st.st_size > MANIFEST_MAX_BYTES)
		e = ERR_CORRUPT;
	if (e == ERR_OK) {
		buf_clear(out);
		if (buf_reserve(out, (size_t)st.st_size + 1) == NULL)
			e = ERR_NOMEM;
	}
	if (e == ERR_OK)
		e = fd_pread(fd, out->p, (size_t)st.st_size, 0);
	if (e == ERR_OK)
		out->n = (size_t)st.st_size;
	close(fd);
	return e;
}

enum err
repo_check(struct repo *r, repo_each_fn *fn, void *ctx)
{
	BUF_CLEAN struct buf bytes = BUF_MAX(SIZE_MAX / 2);

	for (size_t i = 0; i < r->pack_count; i++) {
		struct pack *p = &r->packs[i];
		struct pack_entry gap = { 0 };
		enum err e;

		if (p->is_damaged) {
			if (!fn(ctx, p->name, &gap, ERR_CORRUPT, STR_NONE))
				return ERR_OK;
			continue;
		}
		e = pack_check_gaps(p->fd, p->entries, p->count);
		if (e != ERR_OK && !fn(ctx, p->name, &gap, e, STR_NONE))
			return ERR_OK;
		for (size_t k = 0; k < p->count; k++) {
			e = pack_read(p->fd, &p->entries[k], &bytes);
			p->has_damaged_object |= e == ERR_CORRUPT;
			if (!fn(ctx, p->name, &p->entries[k], e,
				e == ERR_OK ? buf_str(&bytes) : STR_NONE))
				return ERR_OK;
		}
	}
	return ERR_OK;
}
