/*
 * rocks_upgrade.c - the format of the whole store: who may open it, and what is done once to data
 * of older versions.
 *
 * Its number stands twice. In the file `lock`, so that an older program finds out before it lets
 * the engine touch anything; and in the row `f`, which older programs look at that don't know of
 * the file. Both are raised, and on the disk, before the first change; the row `u` then says from
 * which format the upgrade still has to go on. A step may be begun any number of times, and is over
 * when `u` is past it, so that the power may go at any moment. Who reads a store without writing
 * needs no upgrade: rows carry versions of their own, and those of the format before are still
 * read.
 */
#include "kv/number_line.h"
#include "kv/rocks_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/*
 * What a store of format i + 1 needs to be one of format i + 2. NULL: nothing, but an older program
 * must not open it any more.
 */
static const struct rocks_upgrade steps[] = {
	{ "access control lists in mailbox rows, which older programs would lose", NULL },
	{ "annotations in mailbox rows, which older programs can't read", NULL },
	{ "keys of URLs among them, private \\Seen, and annotations of messages, which older programs take for damage",
	    NULL },
	{ "links that a copy has made ahead of itself, which older programs would never take back",
	    NULL },
	{ "small messages packed with LZ4, and places in records, which older programs take for damage",
	    NULL },
};

const struct rocks_formats rocks_formats = { steps, ROCKS_FORMAT };

uint32_t
kv_format(void)
{
	return ROCKS_FORMAT;
}

_Static_assert(ARRAY_LEN(steps) == ROCKS_FORMAT - 1,
    "every format but the first is reached by a step");

/* 0: the file does not say; a damaged byte keeps nobody out. */
static uint64_t
lock_format(const struct rocks *r)
{
	char text[NUMBER_LINE_BYTES];
	ssize_t n = pread(r->lock_fd, text, sizeof(text), 0);
	uint64_t format;

	return n > 0 && number_line_parse(str_make(text, (size_t)n), &format) ? format : 0;
}

static enum err
lock_format_write(const struct rocks *r, uint64_t format)
{
	char text[NUMBER_LINE_BYTES];
	ssize_t n = (ssize_t)number_line_format(format, text);

	if (pwrite(r->lock_fd, text, (size_t)n, 0) != n || ftruncate(r->lock_fd, n) != 0
	    || fsync(r->lock_fd) != 0)
		return ERR_IO;
	return ERR_OK;
}

enum err
rocks_format_look(const struct rocks *r, struct buf *detail)
{
	uint64_t format = lock_format(r);

	if (format <= r->formats.newest)
		return ERR_OK;
	if (detail != NULL)
		buf_printf(detail,
		    "The data is of format %" PRIu64
		    ", written by a newer version of this program, which knows formats up to %" PRIu64
		    ".",
		    format, r->formats.newest);
	return ERR_NEWER;
}

/* Puts the row, on the disk at once. */
static enum err
number_write(struct rocks *r, char name, uint64_t value)
{
	rocks_meta_put(r, name, value);
	return rocks_batch_write(r, true);
}

static enum err
upgrade_begin(struct rocks *r, uint64_t from, uint64_t to)
{
	rocks_meta_put(r, META_FORMAT, to);
	rocks_meta_put(r, META_UPGRADE, from);
	return rocks_batch_write(r, true);
}

enum err
rocks_upgrade(struct rocks *r)
{
	const struct rocks_upgrade *by = r->formats.steps;
	uint64_t format, from, to = r->formats.newest;
	enum err e = rocks_meta_get(r, META_FORMAT, &format),
		 u = rocks_meta_get(r, META_UPGRADE, &from);
	bool is_lost = e == ERR_CORRUPT || u == ERR_CORRUPT;

	if (is_lost) { /* the rows are damaged: all steps may be begun anew */
		format = 0;
		from = 1;
	} else if (e != ERR_OK || u != ERR_OK) {
		return e != ERR_OK ? e : u;
	}
	e = lock_format(r) != to ? lock_format_write(r, to) : ERR_OK;
	if (e != ERR_OK)
		return e;
	/* it was made just now; the row is on the disk before anything else is */
	if (format == 0 && !is_lost) {
		rocks_meta_put(r, META_FORMAT, to);
		return rocks_batch_write(r, false);
	}
	if (from == 0)
		from = format;
	if (format < to) {
		e = upgrade_begin(r, from, to);
		if (e != ERR_OK)
			return e;
	}
	for (; from < to; from++) {
		if (by[from - 1].run != NULL)
			e = by[from - 1].run(r);
		if (e == ERR_OK)
			e = number_write(r, META_UPGRADE, from + 1);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}
