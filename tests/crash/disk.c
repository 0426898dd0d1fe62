/* disk.c - see disk.h. */
#include "disk.h"

#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * A change of names that is not known to be on the disk: `to` gets `name` for `node`, `from` loses
 * `old`.
 */
struct change {
	struct node *from, *to, *node;
	char *old, *name;
};

struct disk {
	struct node **nodes; /* by number; freed ones are NULL, and numbers are not used again */
	size_t n, cap;
	struct change *changes;
	size_t change_count, change_cap;
	uint64_t random;
};

/* splitmix64 */
static uint64_t
draw(struct disk *d)
{
	uint64_t x = d->random += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* ---- names and contents */

static struct entry *
names_find(const struct names *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0)
			return &s->v[i];
	return NULL;
}

static void
names_put(struct names *s, const char *name, struct node *node)
{
	struct entry *e = names_find(s, name);

	if (e != NULL) {
		e->node = node;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap * 2 + 8;
		s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
	}
	s->v[s->n++] = (struct entry){ xstrdup(str_c(name)), node };
}

static void
names_drop(struct names *s, const char *name)
{
	struct entry *e = names_find(s, name);

	if (e == NULL)
		return;
	free(e->name);
	*e = s->v[--s->n];
}

static void
names_done(struct names *s)
{
	while (s->n > 0)
		free(s->v[--s->n].name);
	free(s->v);
	*s = (struct names){ .n = 0 };
}

static void
content_resize(struct content *c, size_t n)
{
	if (n > c->cap) {
		c->cap = n + n / 2 + 4096;
		c->p = xrealloc(c->p, c->cap);
	}
	if (n > c->n)
		memset(c->p + c->n, 0, n - c->n);
	c->n = n;
}

/* A byte of it; behind its end there are zeros. */
static char
content_at(const struct content *c, size_t i)
{
	return i < c->n ? c->p[i] : 0;
}

/* ---- nodes */

static struct node *
node_new(struct disk *d, mode_t mode, uid_t uid, gid_t gid)
{
	struct node *node = xcalloc(1, sizeof(*node));

	if (d->n == d->cap) {
		d->cap = d->cap * 2 + 64;
		d->nodes = xrealloc(d->nodes, d->cap * sizeof(struct node *));
	}
	*node = (struct node){ .ino = d->n,
		.mode = mode,
		.uid = uid,
		.gid = gid,
		.dirty_from = SIZE_MAX };
	clock_gettime(CLOCK_REALTIME, &node->changed);
	d->nodes[d->n++] = node;
	return node;
}

static void
node_free(struct node *node)
{
	if (node == NULL)
		return;
	names_done(&node->names);
	names_done(&node->disk_names);
	free(node->data.p);
	free(node->disk_data.p);
	free(node);
}

struct disk *
disk_new(void)
{
	struct disk *d = xcalloc(1, sizeof(*d));

	/* FUSE calls the root 1. */
	d->cap = 64;
	d->nodes = xcalloc(d->cap, sizeof(struct node *));
	d->n = 1;
	node_new(d, S_IFDIR | 0755, 0, 0);
	return d;
}

static void
change_done(struct change *c)
{
	free(c->old);
	free(c->name);
}

void
disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->n; i++)
		node_free(d->nodes[i]);
	for (size_t i = 0; i < d->change_count; i++)
		change_done(&d->changes[i]);
	free(d->changes);
	free(d->nodes);
	free(d);
}

struct node *
disk_root(struct disk *d)
{
	return d->nodes[1];
}

struct node *
disk_node(struct disk *d, uint64_t ino)
{
	return ino < d->n ? d->nodes[ino] : NULL;
}

struct node *
disk_find(const struct node *folder, const char *name)
{
	struct entry *e = names_find(&folder->names, name);

	return e != NULL ? e->node : NULL;
}

/* ---- what programs do */

static void
names_apply(const struct change *c, bool is_disk)
{
	if (c->from != NULL)
		names_drop(is_disk ? &c->from->disk_names : &c->from->names, c->old);
	if (c->to != NULL)
		names_put(is_disk ? &c->to->disk_names : &c->to->names, c->name, c->node);
}

static void
change(struct disk *d, struct node *from, const char *old, struct node *to, const char *name,
    struct node *node)
{
	struct change c = { .from = from, .to = to, .node = node };

	c.old = old != NULL ? xstrdup(str_c(old)) : NULL;
	c.name = name != NULL ? xstrdup(str_c(name)) : NULL;
	if (d->change_count == d->change_cap) {
		d->change_cap = d->change_cap * 2 + 64;
		d->changes = xrealloc(d->changes, d->change_cap * sizeof(c));
	}
	d->changes[d->change_count++] = c;
	names_apply(&c, false);
	if (from != NULL)
		clock_gettime(CLOCK_REALTIME, &from->changed);
	if (to != NULL)
		clock_gettime(CLOCK_REALTIME, &to->changed);
}

int
disk_make(struct disk *d, struct node *folder, const char *name, mode_t mode, uid_t uid, gid_t gid,
    struct node **node_out)
{
	if (names_find(&folder->names, name) != NULL)
		return EEXIST;
	*node_out = node_new(d, mode, uid, gid);
	return disk_link(d, *node_out, folder, name);
}

int
disk_link(struct disk *d, struct node *node, struct node *folder, const char *name)
{
	if (names_find(&folder->names, name) != NULL)
		return EEXIST;
	node->links++;
	change(d, NULL, NULL, folder, name, node);
	return 0;
}

int
disk_remove(struct disk *d, struct node *folder, const char *name, bool is_folder)
{
	struct node *node = disk_find(folder, name);

	if (node == NULL)
		return ENOENT;
	if (S_ISDIR(node->mode) != is_folder)
		return is_folder ? ENOTDIR : EISDIR;
	if (is_folder && node->names.n > 0)
		return ENOTEMPTY;
	node->links--;
	change(d, folder, name, NULL, NULL, NULL);
	return 0;
}

int
disk_rename(struct disk *d, struct node *from, const char *old, struct node *to, const char *name)
{
	struct node *node = disk_find(from, old), *was = disk_find(to, name);

	if (node == NULL)
		return ENOENT;
	if (was == node)
		return 0;
	if (was != NULL) {
		if (S_ISDIR(was->mode) && was->names.n > 0)
			return ENOTEMPTY;
		was->links--;
	}
	change(d, from, old, to, name, node);
	return 0;
}

static void
dirty(struct node *file, size_t from, size_t to)
{
	file->dirty_from = MIN(file->dirty_from, from);
	file->dirty_to = MAX(file->dirty_to, to);
	clock_gettime(CLOCK_REALTIME, &file->changed);
}

void
disk_write(struct node *file, size_t offset, const char *p, size_t n)
{
	if (offset + n > file->data.n) {
		dirty(file, file->data.n, offset + n);
		content_resize(&file->data, offset + n);
	}
	memcpy(file->data.p + offset, p, n);
	dirty(file, offset, offset + n);
}

void
disk_truncate(struct node *file, size_t n)
{
	dirty(file, MIN(n, file->data.n), MAX(n, file->data.n));
	content_resize(&file->data, n);
}

void
disk_sync(struct disk *d, struct node *node)
{
	size_t kept = 0;

	if (S_ISDIR(node->mode)) {
		for (size_t i = 0; i < d->change_count; i++) {
			struct change *c = &d->changes[i];

			if (c->from == node || c->to == node) {
				names_apply(c, true);
				change_done(c);
			} else {
				d->changes[kept++] = *c;
			}
		}
		d->change_count = kept;
		return;
	}
	content_resize(&node->disk_data, node->data.n);
	if (node->dirty_from < node->data.n) {
		size_t to = MIN(node->dirty_to, node->data.n);

		memcpy(node->disk_data.p + node->dirty_from, node->data.p + node->dirty_from,
		    to - node->dirty_from);
	}
	node->dirty_from = SIZE_MAX;
	node->dirty_to = 0;
}

/* ---- the cut */

/*
 * Keeps some pieces of what was written; each piece is wholly there or wholly not. Returns the
 * bytes that were lost.
 */
static size_t
cut_pieces(struct disk *d, struct node *file, size_t piece)
{
	size_t end = MAX(file->data.n, file->disk_data.n), lost = 0, n = file->disk_data.n;
	/* of 4: some files lose all, some nothing */
	unsigned odds = (unsigned)(draw(d) % 5);

	for (size_t at = file->dirty_from / piece * piece; at < MIN(file->dirty_to, end);
	     at += piece) {
		size_t to = MIN(at + piece, end);
		bool is_kept = draw(d) % 4 < odds;

		if (is_kept && to > file->disk_data.n && to <= file->data.n)
			content_resize(&file->disk_data, to);
		for (size_t i = at; i < to; i++) {
			if (content_at(&file->data, i) == content_at(&file->disk_data, i))
				continue;
			if (is_kept && i < file->disk_data.n)
				file->disk_data.p[i] = content_at(&file->data, i);
			else
				lost++;
		}
	}
	/* The new length may be there without the bytes, which then are zeros, or not. */
	if (file->data.n > n && draw(d) % 2 == 0)
		content_resize(&file->disk_data,
		    MAX(file->disk_data.n, n + (size_t)(draw(d) % (file->data.n - n + 1))));
	if (file->data.n < n && draw(d) % 2 == 0)
		content_resize(&file->disk_data, file->data.n);
	return lost;
}

/* Keeps what was written up to some byte. */
static size_t
cut_tail(struct disk *d, struct node *file)
{
	size_t to = MIN(file->dirty_to, file->data.n), kept;

	if (file->dirty_from >= to)
		return 0;
	kept = file->dirty_from + (size_t)(draw(d) % (to - file->dirty_from + 1));
	if (kept > file->disk_data.n)
		content_resize(&file->disk_data, kept);
	memcpy(file->disk_data.p + file->dirty_from, file->data.p + file->dirty_from,
	    kept - file->dirty_from);
	return to - kept;
}

static size_t
cut_file(struct disk *d, struct node *file, enum cut how)
{
	switch (how) {
	case CUT_PAGES:
		return cut_pieces(d, file, 4096);
	case CUT_SECTORS:
		return cut_pieces(d, file, 512);
	case CUT_TAIL:
		return cut_tail(d, file);
	case CUT_ALL:
	case CUT_DATA:
	case CUT_KINDS:
		break;
	}
	return file->dirty_to - file->dirty_from;
}

static size_t
cut_names(struct disk *d, enum cut how)
{
	size_t kept = how == CUT_ALL ? 0
	    : how == CUT_DATA        ? d->change_count
				     : (size_t)(draw(d) % (d->change_count + 1));
	size_t lost = d->change_count - kept;

	for (size_t i = 0; i < d->change_count; i++) {
		if (i < kept)
			names_apply(&d->changes[i], true);
		change_done(&d->changes[i]);
	}
	d->change_count = 0;
	return lost;
}

/* From the root on: what programs see is what is on the disk. */
static void
come_back(struct node *node)
{
	node->links++;
	if (node->is_reachable)
		return;
	node->is_reachable = true;
	node->links = 1;
	names_done(&node->names);
	for (size_t i = 0; i < node->disk_names.n; i++) {
		names_put(&node->names, node->disk_names.v[i].name, node->disk_names.v[i].node);
		come_back(node->disk_names.v[i].node);
	}
	if (!S_ISDIR(node->mode)) {
		content_resize(&node->data, 0);
		content_resize(&node->data, node->disk_data.n);
		if (node->disk_data.n > 0)
			memcpy(node->data.p, node->disk_data.p, node->disk_data.n);
	}
	node->dirty_from = SIZE_MAX;
	node->dirty_to = 0;
}

void
disk_cut(struct disk *d, enum cut how, uint64_t seed, size_t *bytes_out, size_t *names_out)
{
	d->random = seed;
	*bytes_out = 0;
	*names_out = cut_names(d, how);
	for (size_t i = 1; i < d->n; i++)
		if (d->nodes[i] != NULL && d->nodes[i]->dirty_from < d->nodes[i]->dirty_to)
			*bytes_out += cut_file(d, d->nodes[i], how);
	come_back(disk_root(d));
	for (size_t i = 1; i < d->n; i++) {
		if (d->nodes[i] == NULL)
			continue;
		if (!d->nodes[i]->is_reachable) {
			node_free(d->nodes[i]);
			d->nodes[i] = NULL;
			continue;
		}
		d->nodes[i]->is_reachable = false;
	}
}
