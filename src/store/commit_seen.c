/* commit_seen.c - what a commit does to private pages (seen_int.h). */
#include "store/commit_int.h"

#include "store/seen_int.h"

#include <stdlib.h>

static struct seen_edit *
seen_edit_find(const struct mailbox_change *m, uint64_t user)
{
	for (uint32_t i = 0; i < m->seen_count; i++) {
		if (m->seen[i].user == user)
			return &m->seen[i];
	}
	return NULL;
}

static struct seen_edit *
seen_edit_of(struct mailbox_change *m, uint64_t user)
{
	struct seen_edit *e = seen_edit_find(m, user);

	if (e != NULL)
		return e;
	m->seen = xrealloc(m->seen, (m->seen_count + 1) * sizeof(*m->seen));
	e = &m->seen[m->seen_count++];
	*e = (struct seen_edit){ .user = user };
	tree_edit_begin(&e->edit, seen_tree(m->state, user));
	return e;
}

bool
commit_may_see(const struct mailbox_change *m, uint64_t user)
{
	uint32_t users = m->state->seen == NULL ? 0 : m->state->seen->count;

	if (seen_edit_find(m, user) != NULL || seen_users_find(m->state->seen, user) != NULL)
		return true;
	for (uint32_t i = 0; i < m->seen_count; i++)
		users += seen_users_find(m->state->seen, m->seen[i].user) == NULL;
	return users < SEEN_USERS_MAX;
}

bool
commit_see(struct commit *c, struct mailbox_change *m, uint64_t user, uint32_t page, uint64_t mask,
    uint64_t seen)
{
	struct row_key key = row_key_private(m->state->info.id, user, page);
	struct seen_edit *e;
	char space[32];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	if (!commit_may_see(m, user))
		return false;
	e = seen_edit_of(m, user);
	e->has_new_modseq = true;
	c->seen_pages++;
	page_op_private(&op, c->version, mask, seen);
	if (m->state->has_tree) {
		commit_merge(c, key, &e->edit, page, buf_str(&op));
		return true;
	}
	kv_merge(c->txn, KV_PAGE, row_key_str(&key), buf_str(&op));
	/* Of UIDs that were not there: nothing else is changed without the pages. */
	e->more += bits_count(seen);
	commit_keep_op(c,
	    &(struct page_op){ .id = m->state->info.id,
		.is_private = true,
		.user = user,
		.page = page,
		.operand = buf_str(&op) });
	return true;
}

void
commit_forget_seen(struct commit *c, struct mailbox_change *m, uint32_t page, uint64_t mask)
{
	char space[16];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	for (uint32_t i = 0; m->state->seen != NULL && i < m->state->seen->count; i++) {
		uint64_t user = m->state->seen->u[i].user;
		struct row_key key = row_key_private(m->state->info.id, user, page);
		struct seen_edit *e = seen_edit_find(m, user);
		const struct tree *tree =
		    e != NULL ? tree_edit_now(&e->edit) : seen_tree(m->state, user);
		uint64_t there = page_mask(tree_page(tree, page)), gone = mask & there;

		if (gone == 0)
			continue;
		e = seen_edit_of(m, user);
		c->seen_pages++;
		page_op_remove(&op, gone);
		if (gone == there) {
			kv_del(c->txn, KV_PAGE, row_key_str(&key));
			tree_edit_merge(&e->edit, page, buf_str(&op));
		} else {
			commit_merge(c, key, &e->edit, page, buf_str(&op));
		}
	}
}

static void
del_rows(struct commit *c, struct row_key from, struct row_key to, struct row_key sums,
    struct row_key sums_to)
{
	kv_del_range(c->txn, KV_PAGE, row_key_str(&from), row_key_str(&to));
	kv_del_range(c->txn, KV_ROW, row_key_str(&sums), row_key_str(&sums_to));
}

void
commit_drop_all_seen(struct commit *c, struct mailbox_id id)
{
	struct mailbox_id next = { id.v + 1 };

	del_rows(c, row_key_private(id, 0, 0), row_key_private(next, 0, 0),
	    row_key_private_sums(id, 0), row_key_private_sums(next, 0));
}

void
commit_drop_seen(struct commit *c, struct mailbox_change *m, uint64_t user)
{
	seen_edit_of(m, user)->is_dropped = true;
	del_rows(c, row_key_private(m->id, user, 0), row_key_private(m->id, user + 1, 0),
	    row_key_private_sums(m->id, user), row_key_private_sums(m->id, user + 1));
}

/* ---- publishing ------------------------------------------------------------------------------ */

static void
put_seen(struct commit *c, struct mailbox_id id, const struct seen_user *u)
{
	struct row_key key = row_key_private_sums(id, u->user);
	char space[SEEN_ROW_BYTES];
	struct buf row = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	seen_row_encode(&u->sums, &row);
	kv_put(c->txn, KV_ROW, row_key_str(&key), buf_str(&row));
}

/* What an edit makes of a user; takes his new tree out of it. */
static struct seen_user
seen_result(const struct commit *c, const struct mailbox_state *s, struct seen_edit *e,
    struct tree **tree_out)
{
	const struct seen_user *old = seen_users_find(s->seen, e->user);
	struct seen_user u = { .user = e->user };

	if (old != NULL)
		u.sums = old->sums;
	*tree_out = tree_edit_end(&e->edit);
	u.sums.seen += e->more;
	if (s->has_tree)
		u.sums.seen = tree_sums(*tree_out)->count - tree_sums(*tree_out)->unseen;
	if (e->has_new_modseq)
		u.sums.modseq = c->version;
	return u;
}

static int
seen_edit_cmp(const void *a, const void *b)
{
	const struct seen_edit *x = a, *y = b;

	return x->user < y->user ? -1 : x->user > y->user;
}

void
commit_settle_seen(struct commit *c, struct mailbox_change *m)
{
	struct mailbox_state *s = m->state;
	uint32_t old = s->seen == NULL ? 0 : s->seen->count, n = 0, i = 0, k = 0;
	struct seen_users *users;
	struct tree **trees;

	if (m->seen_count == 0)
		return;
	qsort(m->seen, m->seen_count, sizeof(*m->seen), seen_edit_cmp);
	users = seen_users_new(old + m->seen_count);
	trees = xcalloc(old + m->seen_count, sizeof(struct tree *));
	while (i < old || k < m->seen_count) {
		if (k == m->seen_count || (i < old && s->seen->u[i].user < m->seen[k].user)) {
			trees[n] = s->seen_trees != NULL ? tree_ref(s->seen_trees[i]) : NULL;
			users->u[n++] = s->seen->u[i++];
			continue;
		}
		if (i < old && s->seen->u[i].user == m->seen[k].user)
			i++;
		if (m->seen[k].is_dropped) {
			tree_unref(tree_edit_end(&m->seen[k++].edit));
			continue;
		}
		users->u[n] = seen_result(c, s, &m->seen[k++], &trees[n]);
		put_seen(c, m->id, &users->u[n++]);
	}
	users->count = n;
	m->seen_count = 0;
	seen_detach(s);
	seen_users_unref(s->seen);
	s->seen = users;
	s->seen_trees = trees;
	if (!s->has_tree || n == 0)
		seen_detach(s);
	if (n == 0) {
		s->seen = NULL;
		seen_users_unref(users);
	}
}
