/*
 * foreign.c - what a session has of others: the snapshots after its own last commits to their
 * accounts, the list of who shares something with it, the groups of its user. Nothing of it is made
 * before it is used.
 */
#include "session/foreign.h"

#include "session/core.h"
#include "store/sharing.h"

#include <stdlib.h>

enum { FOREIGN_OWN_MAX = 16 }; /* accounts with a commit of ours that may not be durable yet */

struct foreign {
	struct shares *shares;
	struct snapshot *own[FOREIGN_OWN_MAX]; /* of other accounts, which are referenced for it */
	size_t own_count;
	struct str *groups;
	size_t group_count;
};

static struct foreign *
foreign_of(struct session *s)
{
	if (s->foreign == NULL)
		s->foreign = xcalloc(1, sizeof(*s->foreign));
	return s->foreign;
}

void
foreign_set_groups(struct session *s, struct str groups)
{
	struct foreign *f;
	struct str name;

	if (groups.n == 0)
		return;
	f = foreign_of(s);
	f->groups = xcalloc(SHARING_GROUPS_MAX, sizeof(struct str));
	while (f->group_count < SHARING_GROUPS_MAX && str_split(&groups, ',', &name)) {
		if (name.n != 0)
			f->groups[f->group_count++] = str_make(xstrdup(name), name.n);
	}
}

struct identity
session_identity(const struct session *s)
{
	const struct foreign *f = s->foreign;

	return (struct identity){
		.user = s->user,
		.groups = f != NULL ? f->groups : NULL,
		.group_count = f != NULL ? f->group_count : 0,
	};
}

struct shares **
foreign_shares(struct session *s)
{
	return &foreign_of(s)->shares;
}

static void
forget(struct foreign *f, size_t i)
{
	struct account *a = snapshot_account(f->own[i]);

	snapshot_unref(f->own[i]);
	account_unref(a);
	f->own_count--;
	memmove(&f->own[i], &f->own[i + 1], (f->own_count - i) * sizeof(f->own[0]));
}

struct snapshot *
foreign_snapshot(struct session *s, struct account *a)
{
	struct foreign *f = s->foreign;
	struct snapshot *now;
	size_t i = 0;

	while (f != NULL && i < f->own_count && snapshot_account(f->own[i]) != a)
		i++;
	if (f == NULL || i == f->own_count)
		return account_snapshot(a, NULL);
	now = account_snapshot(a, f->own[i]);
	if (now != f->own[i])
		forget(f, i);
	return now;
}

void
foreign_committed(struct session *s, struct snapshot *after)
{
	struct foreign *f = foreign_of(s);

	for (size_t i = 0; i < f->own_count; i++) {
		if (snapshot_account(f->own[i]) != snapshot_account(after))
			continue;
		snapshot_unref(f->own[i]);
		f->own[i] = after;
		return;
	}
	/* The oldest is most likely durable; if not, it is seen a little later. */
	if (f->own_count == FOREIGN_OWN_MAX)
		forget(f, 0);
	account_ref(snapshot_account(after));
	f->own[f->own_count++] = after;
}

void
foreign_free(struct session *s)
{
	struct foreign *f = s->foreign;

	if (f == NULL)
		return;
	shares_drop(f->shares);
	while (f->own_count != 0)
		forget(f, 0);
	for (size_t i = 0; i < f->group_count; i++)
		free((char *)f->groups[i].p);
	free(f->groups);
	free(f);
	s->foreign = NULL;
}
