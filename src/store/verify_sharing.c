/*
 * verify_sharing.c - what others find of an account: the index of its access control lists (A8),
 * and its limits.
 */
#include "store/verify_int.h"

static void
put_share(struct verify_account *a, struct str key)
{
	struct kv_txn *t = kv_txn_new(a->v->kv, ACCOUNT_SYSTEM, KV_UNVERSIONED, KV_UNVERSIONED);
	BUF_CLEAN struct buf row = BUF_MAX(8);

	u64_row_encode(a->id.v, &row);
	kv_put(t, KV_ROW, key, buf_str(&row));
	if (kv_commit_now(a->v->kv, &t, 1) != ERR_OK)
		a->v->is_unwritten = true;
}

/* The row of the index for one entry of a mailbox's list. */
static void
check_share(struct verify_account *a, const struct verify_box *b, struct str identifier)
{
	BUF_CLEAN struct buf key = BUF_MAX(2 + ACL_IDENTIFIER_MAX + USER_NAME_MAX);
	struct verify_finding f = verify_finding_of(a, VERIFY_SHARING, b);
	struct str value = STR_NONE;
	uint64_t id;

	row_key_share(&key, identifier, a->row.user);
	if (verify_row(a->v, &a->arena, ACCOUNT_SYSTEM, KV_ROW, buf_str(&key), &value) == ERR_OK
	    && value.p != NULL && u64_row_decode(value, &id) == ERR_OK && id == a->id.v)
		return;
	f.is_repaired = a->v->o->may_repair;
	f.detail = identifier;
	verify_tell(a->v, &f);
	if (f.is_repaired)
		put_share(a, buf_str(&key));
}

void
verify_sharing(struct verify_account *a)
{
	for (size_t i = 0; a->has_row && i < a->box_count && !a->v->is_stopped; i++) {
		const struct verify_box *b = &a->boxes[i];
		struct str list = b->row.acl, identifier;
		unsigned rights;

		if (!b->has_row || b->is_dropped || b->row.is_noselect)
			continue;
		while (acl_next(&list, &identifier, &rights)) {
			if (rights != 0 && identifier.p[0] != '-'
			    && !str_eq(identifier, a->row.user))
				check_share(a, b, identifier);
		}
	}
}

void
verify_limits(struct verify_account *a, struct str key, struct str value)
{
	struct verify_finding f = verify_finding_of(a, VERIFY_LIMITS, NULL);
	struct quota_limits limits;
	struct kv_txn *t = NULL;

	if (limits_row_decode(value, &limits) == ERR_OK)
		return;
	t = verify_repair(a);
	f.is_repaired = t != NULL;
	verify_tell(a->v, &f);
	if (t != NULL)
		kv_del(t, KV_ROW, key);
}
