/* repo.c - see repo.h. */
#include "backup/repo.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACK_BYTES (256u << 20) /* a pack is ended when it has grown to that */
#define MARK_TEXT "Posthorn backup folder 1\n"
#define MANIFEST_MAX_BYTES ((size_t)1 << 30)
#define PATH_BUF BUF_MAX(8192)
#define PACK_UNFINISHED SIZE_MAX
#define OBJECT_COST_BYTES 120u /* what an object takes beside its own bytes */

struct pack {
	int fd;
	char *name;
	struct pack_entry *entries;
	size_t count;
	bool is_damaged;
};

struct object {
	struct pack_entry entry;
	size_t pack;
};

struct repo {
	int dir_fd, lock_fd; /* -1: a stream */
	bool may_write, is_stream;
	struct arena arena;
	struct pack *packs;
	size_t pack_count;
	struct hash objects; /* struct object */
	char **backups;
	size_t backup_count;
	int out_fd; /* pack that is being written; -1: none */
	struct pack_writer *writer;
	uint64_t written_bytes, written_objects;
};

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

static struct object *
find(const struct repo *r, const struct blob_id *id)
{
	return hash_find(&r->objects, id_hash(id), id);
}

static void
note_object(struct repo *r, const struct pack_entry *e, size_t pack)
{
	struct object *o;

	o = find(r, &e->id);
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

/* "folder/name" of a file in the repository. */
static const char *
path_of(struct buf *b, const char *folder, const char *name)
{
	buf_clear(b);
	buf_printf(b, "%s/%s", folder, name);
	buf_chr(b, '\0');
	return b->p;
}

static void
unlink_at(struct repo *r, const char *folder, const char *name)
{
	BUF_CLEAN struct buf path = PATH_BUF;

	unlinkat(r->dir_fd, path_of(&path, folder, name), 0);
}

void
repo_close(struct repo *r)
{
	if (r == NULL)
		return;
	pack_writer_free(r->writer);
	if (r->out_fd >= 0 && !r->is_stream) {
		unlink_at(r, "packs", "tmp");
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

/* ---- opening --------------------------------------------------------------------------------- */

/* Takes fd over. */
static size_t
add_pack(struct repo *r, int fd, struct str name)
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
		note_object(r, &p->entries[i], r->pack_count);
	return r->pack_count++;
}

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * Names in a folder, sorted, without those that begin with a dot; malloc'ed array, names in the
 * arena.
 */
static enum err
list(struct repo *r, const char *folder, char ***names_out, size_t *count_out)
{
	int fd = openat(r->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	size_t count = 0, cap = 0;
	char **names = NULL;
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (count == cap) {
			cap = MAX(64, cap * 2);
			names = xrealloc(names, cap * sizeof(*names));
		}
		names[count++] = arena_cstr(&r->arena, str_c(e->d_name));
	}
	closedir(d);
	if (count > 1)
		qsort(names, count, sizeof(*names), name_cmp);
	*names_out = names;
	*count_out = count;
	return ERR_OK;
}

static enum err
load_packs(struct repo *r)
{
	BUF_CLEAN struct buf path = PATH_BUF;
	char **names = NULL;
	size_t count = 0;
	enum err e = list(r, "packs", &names, &count);

	for (size_t i = 0; i < count; i++) {
		struct str name = str_c(names[i]);

		if (str_ends(name, STR(".pack")))
			add_pack(r,
			    openat(r->dir_fd, path_of(&path, "packs", names[i]),
				O_RDONLY | O_CLOEXEC),
			    name);
		else if (r->may_write)
			unlink_at(r, "packs", names[i]);
	}
	free(names);
	return e;
}

static enum err
load_backups(struct repo *r)
{
	char **names = NULL;
	size_t count = 0, n = 0;
	enum err e = list(r, "backups", &names, &count);

	for (size_t i = 0; i < count; i++) {
		if (chr_is_digit(names[i][0]))
			names[n++] = names[i];
		else if (r->may_write)
			unlink_at(r, "backups", names[i]);
	}
	r->backups = names;
	r->backup_count = n;
	return e;
}

static enum err
sync_folder(struct repo *r, const char *name)
{
	int fd = openat(r->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = fd >= 0 && fsync(fd) == 0 ? ERR_OK : ERR_IO;

	if (fd >= 0)
		close(fd);
	return e;
}

/* A small file, there whole or not at all. */
static enum err
put_file(struct repo *r, const char *folder, const char *name, struct str bytes)
{
	BUF_CLEAN struct buf path = PATH_BUF, tmp = PATH_BUF;
	int fd = openat(r->dir_fd, path_of(&tmp, folder, "tmp"),
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	enum err e = ERR_IO;

	if (fd < 0)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	e = fd_write(fd, bytes.p, bytes.n);
	if (e == ERR_OK && fsync(fd) != 0)
		e = ERR_IO;
	close(fd);
	if (e == ERR_OK && renameat(r->dir_fd, tmp.p, r->dir_fd, path_of(&path, folder, name)) != 0)
		e = ERR_IO;
	return e == ERR_OK ? sync_folder(r, folder) : e;
}

static enum err
make_folder(const char *path, struct repo *r)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	r->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r->dir_fd >= 0 ? ERR_OK : ERR_IO;
}

/* Whether it is a folder of ours; one that is empty becomes one. */
static enum err
mark_check(struct repo *r, struct buf *detail)
{
	char text[sizeof(MARK_TEXT)] = "";
	int fd = openat(r->dir_fd, "posthorn-backup", O_RDONLY | O_CLOEXEC);
	char **names = NULL;
	size_t count = 0;
	enum err e;

	if (fd >= 0) {
		e = fd_pread(fd, text, sizeof(text) - 1, 0);
		close(fd);
		if (e == ERR_OK && strcmp(text, MARK_TEXT) == 0)
			return ERR_OK;
		buf_lit(detail, "it is a backup folder of another version");
		return ERR_CORRUPT;
	}
	e = list(r, ".", &names, &count);
	free(names);
	if (e == ERR_OK && r->may_write && count == 0)
		e = put_file(r, ".", "posthorn-backup", STR(MARK_TEXT));
	else if (e == ERR_OK)
		e = ERR_CORRUPT;
	if (e == ERR_CORRUPT)
		buf_c(detail,
		    r->may_write ? "the folder is neither empty nor a backup folder"
				 : "it is no backup folder");
	return e;
}

static enum err
lock_take(struct repo *r, struct buf *detail)
{
	r->lock_fd = openat(r->dir_fd, "lock",
	    r->may_write ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	if (r->lock_fd < 0)
		/* a copy without it, or on a medium that is never written */
		return r->may_write ? ERR_IO : ERR_OK;
	if (flock(r->lock_fd, (r->may_write ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return ERR_OK;
	buf_lit(detail, "another backup, restore or check is using it");
	return ERR_INUSE;
}

static enum err
open_folder(struct repo *r, const char *path, struct buf *detail)
{
	enum err e = ERR_OK;

	if (r->may_write)
		e = make_folder(path, r);
	else if ((r->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		e = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	if (e == ERR_OK)
		e = mark_check(r, detail);
	if (e == ERR_OK)
		e = lock_take(r, detail);
	if (e == ERR_OK && r->may_write
	    && ((mkdirat(r->dir_fd, "packs", 0700) != 0 && errno != EEXIST)
		|| (mkdirat(r->dir_fd, "backups", 0700) != 0 && errno != EEXIST)))
		e = errno == ENOSPC ? ERR_FULL : ERR_IO;
	if (e == ERR_OK)
		e = load_packs(r);
	if (e == ERR_OK)
		e = load_backups(r);
	if (e != ERR_OK && detail->n == 0)
		buf_c(detail, errno != 0 ? strerror(errno) : err_name(e));
	return e;
}

enum err
repo_open_stream(int fd, struct repo **out, struct buf *detail)
{
	struct repo *r = repo_new();

	r->is_stream = true;
	add_pack(r, fd, STR("stream"));
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
	e = open_folder(r, path, detail);
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

/* ---- reading --------------------------------------------------------------------------------- */

const struct pack_entry *
repo_find(const struct repo *r, const struct blob_id *id)
{
	struct object *o = find(r, id);

	return o == NULL ? NULL : &o->entry;
}

enum err
repo_read(struct repo *r, const struct blob_id *id, struct buf *out)
{
	struct object *o = find(r, id);

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
	fd = openat(r->dir_fd, path_of(&path, "backups", name), O_RDONLY | O_CLOEXEC);
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
			if (!fn(ctx, p->name, &p->entries[k], e,
				e == ERR_OK ? buf_str(&bytes) : STR_NONE))
				return ERR_OK;
		}
	}
	return ERR_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum err
writer_begin(struct repo *r)
{
	if (r->writer != NULL)
		return ERR_OK;
	r->out_fd = openat(r->dir_fd, "packs/tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (r->out_fd < 0)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	r->writer = pack_writer_new(r->out_fd);
	return ERR_OK;
}

/* The pack is complete: its objects can be relied on. */
static enum err
writer_end(struct repo *r)
{
	BUF_CLEAN struct buf path = PATH_BUF;
	char hex[OBJECT_HEX_BYTES + 6];
	struct blob_id name;
	enum err e;

	if (r->writer == NULL)
		return ERR_OK;
	e = pack_end(r->writer, &name);
	r->written_bytes += pack_bytes(r->writer);
	pack_writer_free(r->writer);
	r->writer = NULL;
	if (e == ERR_OK && fsync(r->out_fd) != 0)
		e = ERR_IO;
	object_id_hex(&name, hex);
	memcpy(hex + OBJECT_HEX_BYTES, ".pack", 6);
	if (e == ERR_OK
	    && renameat(r->dir_fd, "packs/tmp", r->dir_fd, path_of(&path, "packs", hex)) != 0)
		e = ERR_IO;
	if (e == ERR_OK)
		e = sync_folder(r, "packs");
	if (e != ERR_OK) {
		close(r->out_fd);
		r->out_fd = -1;
		return e;
	}
	add_pack(r, r->out_fd, str_c(hex));
	r->out_fd = -1;
	return ERR_OK;
}

/* Behind what was just added: it is known, and a pack that is big enough ends. */
static enum err
added(struct repo *r)
{
	const struct pack_entry *entries;
	size_t count;

	r->written_objects++;
	entries = pack_entries(r->writer, &count);
	note_object(r, &entries[count - 1], PACK_UNFINISHED);
	return r->is_stream || pack_bytes(r->writer) < PACK_BYTES ? ERR_OK : writer_end(r);
}

enum err
repo_put(struct repo *r, enum object_kind kind, struct str bytes, struct blob_id *id_out)
{
	enum err e;

	object_id(bytes, id_out);
	if (find(r, id_out) != NULL)
		return ERR_OK;
	e = writer_begin(r);
	if (e == ERR_OK)
		e = pack_add(r->writer, kind, id_out, bytes);
	return e == ERR_OK ? added(r) : e;
}

enum err
repo_finish(struct repo *r, const char *name, struct str manifest)
{
	struct blob_id id;
	enum err e;

	if (!r->is_stream) {
		e = writer_end(r);
		return e == ERR_OK ? put_file(r, "backups", name, manifest) : e;
	}
	object_id(manifest, &id);
	e = pack_add(r->writer, OBJECT_MANIFEST, &id, manifest);
	if (e == ERR_OK)
		e = pack_end(r->writer, &id);
	r->written_bytes = pack_bytes(r->writer);
	return e;
}

uint64_t
repo_written(const struct repo *r, uint64_t *objects_out)
{
	*objects_out = r->written_objects;
	return r->written_bytes;
}

/* ---- throwing away --------------------------------------------------------------------------- */

enum err
repo_remove_backup(struct repo *r, const char *name)
{
	BUF_CLEAN struct buf path = PATH_BUF;

	if (unlinkat(r->dir_fd, path_of(&path, "backups", name), 0) != 0)
		return ERR_IO;
	return sync_folder(r, "backups");
}

/*
 * What of a pack is wanted and found in it: an object that lies in two packs belongs to the first.
 */
static uint64_t
wanted_bytes(struct repo *r, size_t pack, repo_wants_fn *wants, void *ctx, size_t *count_out)
{
	const struct pack *p = &r->packs[pack];
	uint64_t bytes = 0;

	*count_out = 0;
	for (size_t i = 0; i < p->count; i++) {
		if (find(r, &p->entries[i].id)->pack != pack || !wants(ctx, &p->entries[i].id))
			continue;
		bytes += p->entries[i].stored_bytes + OBJECT_COST_BYTES;
		++*count_out;
	}
	return bytes;
}

static enum err
copy_wanted(struct repo *r, size_t pack, repo_wants_fn *wants, void *ctx)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->packs[pack].count; i++) {
		const struct pack_entry *entry = &r->packs[pack].entries[i];

		if (find(r, &entry->id)->pack != pack || !wants(ctx, &entry->id))
			continue;
		e = writer_begin(r);
		if (e == ERR_OK)
			e = pack_copy(r->writer, r->packs[pack].fd, entry);
		if (e == ERR_OK && pack_bytes(r->writer) >= PACK_BYTES)
			e = writer_end(r);
	}
	return e;
}

enum err
repo_sweep(struct repo *r, repo_wants_fn *wants, void *ctx, uint64_t *freed_out)
{
	size_t count = r->pack_count;
	bool *goes = xcalloc(count + 1, sizeof(*goes));
	enum err e = ERR_OK;

	*freed_out = 0;
	for (size_t i = 0; e == ERR_OK && i < count; i++) {
		struct stat st;
		size_t wanted;
		uint64_t bytes;

		if (r->packs[i].is_damaged || fstat(r->packs[i].fd, &st) != 0)
			continue;
		bytes = wanted_bytes(r, i, wants, ctx, &wanted);
		if (wanted != 0
		    && (bytes >= (uint64_t)st.st_size / 2 || wanted == r->packs[i].count))
			continue;
		goes[i] = true;
		e = copy_wanted(r, i, wants, ctx);
		*freed_out += (uint64_t)st.st_size - bytes;
	}
	/* What was copied is safe before any original goes. */
	if (e == ERR_OK)
		e = writer_end(r);
	for (size_t i = 0; e == ERR_OK && i < count; i++) {
		if (goes[i])
			unlink_at(r, "packs", r->packs[i].name);
	}
	free(goes);
	return e == ERR_OK ? sync_folder(r, "packs") : e;
}
