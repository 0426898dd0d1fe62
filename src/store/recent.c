/*
 * recent.c - \Recent (RFC 3501 2.3.2): from which UID on no session has been told of a mailbox's
 * messages. It is stored with the mailbox's next change, not with one of its own.
 */
#include "store/commit_int.h"

#include <stdlib.h>

static struct recent *
recent_find(struct account *a, struct mailbox_id id)
{
	for (size_t i = 0; i < a->recent_count; i++) {
		if (a->recents[i].id.v == id.v)
			return &a->recents[i];
	}
	return NULL;
}

uint32_t
account_recent_from(struct account *a, const struct mailbox_info *m)
{
	const struct recent *r = recent_find(a, m->id);

	return r == NULL ? m->recent_from : MAX(r->from, m->recent_from);
}

void
account_recent_claim(struct account *a, struct mailbox_id id, uint32_t uidnext)
{
	struct recent *r = recent_find(a, id);

	if (r == NULL) {
		if ((a->recent_count & (a->recent_count - 1)) == 0)
			a->recents =
			    xrealloc(a->recents, MAX(4, a->recent_count * 2) * sizeof(*a->recents));
		r = &a->recents[a->recent_count++];
		*r = (struct recent){ id, 0 };
	}
	r->from = MAX(r->from, uidnext);
}
