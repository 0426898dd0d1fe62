/* sets.c - the sets that a session's client writes. */
#include "session/session.h"

enum err
session_uids(struct session *s, const struct seqset *set, bool is_uid, struct rangeset *uids_out)
{
	return view_resolve(s->view, set, is_uid, &s->saved, uids_out);
}
