/* repo_write.c - packs are written; what nobody wants any more is thrown away. */
#include "backup/repo_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACK_BYTES (256u << 20) /* a pack is ended when it has grown to that */
#define OBJECT_COST_BYTES 120u  /* what an object takes beside its own bytes */

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
	    && renameat(r->dir_fd, "packs/tmp", r->dir_fd, repo_path(&path, "packs", hex)) != 0)
		e = ERR_IO;
	if (e == ERR_OK)
		e = folder_sync(r, "packs");
	if (e != ERR_OK) {
		repo_unlink(r, "packs", "tmp"); /* the disk may be full of it */
		close(r->out_fd);
		r->out_fd = -1;
		return e;
	}
	repo_add_pack(r, r->out_fd, str_c(hex));
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
	object_note(r, &entries[count - 1], PACK_UNFINISHED);
	return r->is_stream || pack_bytes(r->writer) < PACK_BYTES ? ERR_OK : writer_end(r);
}

enum err
repo_put(struct repo *r, enum object_kind kind, struct str bytes, struct blob_id *id_out)
{
	enum err e;

	object_id(bytes, id_out);
	if (object_find(r, id_out) != NULL)
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
		return e == ERR_OK ? folder_put(r, "backups", name, manifest) : e;
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

enum err
repo_remove_backup(struct repo *r, const char *name)
{
	BUF_CLEAN struct buf path = PATH_BUF;

	if (unlinkat(r->dir_fd, repo_path(&path, "backups", name), 0) != 0)
		return ERR_IO;
	return folder_sync(r, "backups");
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
		if (object_find(r, &p->entries[i].id)->pack != pack
		    || !wants(ctx, &p->entries[i].id))
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

		if (object_find(r, &entry->id)->pack != pack || !wants(ctx, &entry->id))
			continue;
		e = writer_begin(r);
		if (e == ERR_OK)
			e = pack_copy(r->writer, r->packs[pack].fd, entry);
		if (e == ERR_OK && pack_bytes(r->writer) >= PACK_BYTES)
			e = writer_end(r);
	}
	return e;
}

/*
 * One of the packs that were written since has its name, and its place: it holds what an earlier sweep
 * copied too, which was interrupted before the originals went.
 */
static bool
is_written_anew(const struct repo *r, size_t pack, size_t count)
{
	for (size_t i = count; i < r->pack_count; i++) {
		if (strcmp(r->packs[i].name, r->packs[pack].name) == 0)
			return true;
	}
	return false;
}

/* What was copied is safe before any original goes. Ends with e. */
static enum err
originals_go(struct repo *r, const bool *goes, size_t count, enum err e)
{
	if (e == ERR_OK)
		e = writer_end(r);
	for (size_t i = 0; e == ERR_OK && i < count; i++) {
		if (goes[i] && !is_written_anew(r, i, count))
			repo_unlink(r, "packs", r->packs[i].name);
	}
	return e == ERR_OK ? folder_sync(r, "packs") : e;
}

enum err
repo_sweep(struct repo *r, repo_wants_fn *wants, void *ctx, uint64_t *freed_out)
{
	size_t count = r->pack_count;
	bool *goes = xcalloc(count + 1, sizeof(*goes));
	enum err e = ERR_OK, damage = ERR_OK;

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
		e = copy_wanted(r, i, wants, ctx);
		if (e == ERR_CORRUPT) { /* it stays as it is, and keeps no other */
			damage = e;
			e = ERR_OK;
			continue;
		}
		goes[i] = true;
		*freed_out += (uint64_t)st.st_size - bytes;
	}
	e = originals_go(r, goes, count, e);
	free(goes);
	return e == ERR_OK ? damage : e;
}

/* Each copy by itself: another pack may have a good one of what is damaged in this. */
static enum err
copy_good(struct repo *r, size_t pack)
{
	BUF_CLEAN struct buf bytes = BUF_MAX(SIZE_MAX / 2);
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->packs[pack].count; i++) {
		const struct pack_entry *entry = &r->packs[pack].entries[i];

		e = pack_read(r->packs[pack].fd, entry, &bytes);
		if (e == ERR_CORRUPT) {
			e = ERR_OK;
			continue;
		}
		if (e == ERR_OK)
			e = writer_begin(r);
		if (e == ERR_OK)
			e = pack_copy(r->writer, r->packs[pack].fd, entry);
		if (e == ERR_OK && pack_bytes(r->writer) >= PACK_BYTES)
			e = writer_end(r);
	}
	return e;
}

enum err
repo_drop_damaged(struct repo *r, size_t *packs_out)
{
	size_t count = r->pack_count;
	bool *goes = xcalloc(count + 1, sizeof(*goes));
	enum err e = ERR_OK;

	*packs_out = 0;
	for (size_t i = 0; e == ERR_OK && i < count; i++) {
		if (!r->packs[i].has_damaged_object)
			continue;
		e = copy_good(r, i);
		goes[i] = true;
		++*packs_out;
	}
	e = originals_go(r, goes, count, e);
	free(goes);
	return e;
}
