/*
 * verify_sight.c - see verify_sight.h.
 */
#include "store/verify_sight.h"

#include "store/message.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

static void
sight_add(struct sight *l, struct str user, const struct mailbox_info *box, uint32_t uid,
    uint64_t hash, bool is_refused)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 256 : l->cap * 2;
		l->s = xrealloc(l->s, l->cap * sizeof(*l->s));
	}
	l->s[l->n] = (struct seen){ .box_id = box != NULL ? box->id.v : 0,
		.uid = uid,
		.hash = hash,
		.is_refused = is_refused };
	snprintf(l->s[l->n].user, sizeof(l->s[l->n].user), "%.*s", STR_F(user));
	if (box != NULL)
		snprintf(l->s[l->n].box, sizeof(l->s[l->n].box), "%.*s", STR_F(box->name));
	l->n++;
}

static uint64_t
mix(uint64_t h, struct str s)
{
	return hash_u64(h ^ str_hash(s, h));
}

static bool
message_look(struct fixture *f, const struct entry *e, uint64_t *hash)
{
	struct message *m = NULL;
	struct message_reader *r;
	uint64_t at = 0, h = *hash;
	enum err err =
	    UNTIL_DONE(&f->b, message_get(f->account, e->msgno, MESSAGE_WHOLE, &f->b.w, &m));

	if (err != ERR_OK)
		return false;
	h = mix(mix(mix(mix(mix(h, m->header), m->envelope), m->bodystructure), m->preview),
	    m->sortkeys);
	h = mix(mix(mix(h, m->structure), m->emailid), m->threadid);
	r = message_reader_new(f->account, m);
	while (at < m->size_bytes && err == ERR_OK) {
		struct kv_bytes *bytes = NULL;
		struct str data = STR_NONE;

		err =
		    UNTIL_DONE(&f->b, message_reader_get(r, at, SIZE_MAX, &f->b.w, &bytes, &data));
		if (err == ERR_OK) {
			h = mix(h, data);
			at += data.n;
		}
		if (bytes != NULL)
			kv_bytes_unref(bytes);
	}
	message_reader_free(r);
	message_unref(m);
	*hash = h;
	return err == ERR_OK;
}

static void
box_look(struct fixture *f, struct sight *l, struct snapshot *s, const struct mailbox_info *box)
{
	struct str user = account_user(f->account);
	uint64_t h = hash_u64(box->uidvalidity) ^ hash_u64(box->uidnext * 3ull)
	    ^ hash_u64(box->exists * 7ull);
	struct view *v = NULL;
	struct entry e;

	if (UNTIL_DONE(&f->b, view_open(s, box->id, VIEW_READ_ONLY, &f->b.w, &v)) != ERR_OK) {
		sight_add(l, user, box, 0, 0, true);
		return;
	}
	for (uint32_t i = 0; i < box->keyword_count; i++)
		h = mix(h, box->keywords[i]);
	sight_add(l, user, box, 0, hash_u64(h + box->highestmodseq), false);
	for (uint32_t uid = 1; view_next(v, uid, &e, NULL); uid = e.uid.v + 1) {
		bool is_good;

		h = hash_u64(e.flags ^ e.modseq << 16) ^ hash_u64(e.keywords.w[0] * 5)
		    ^ hash_u64((uint64_t)e.internal_s) ^ hash_u64(e.size_bytes * 11);
		is_good = message_look(f, &e, &h);
		sight_add(l, user, box, e.uid.v, h, !is_good);
	}
	view_close(v);
}

void
sight_look(struct fixture *f, struct sight *l)
{
	static const char *const users[] = { "joe", "ann@example.org", "bob" };

	for (unsigned u = 0; u < ARRAY_LEN(users); u++) {
		const struct mailbox_info *box;
		struct snapshot *s;

		account_unref(f->account);
		f->account = NULL;
		if (UNTIL_DONE(&f->b,
			store_account_open(f->store, str_c(users[u]), ACCOUNT_EXISTING, &f->b.w,
			    &f->account))
		    != ERR_OK) {
			sight_add(l, str_c(users[u]), NULL, 0, 0, true);
			continue;
		}
		s = account_snapshot(f->account, NULL);
		for (uint32_t i = 0; (box = snapshot_mailbox_at(s, i)) != NULL; i++)
			if (!box->is_noselect)
				box_look(f, l, s, box);
		snapshot_unref(s);
	}
}

struct seen *
sight_find(const struct sight *l, const struct seen *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->s[i].user, key->user) == 0 && l->s[i].box_id == key->box_id
		    && l->s[i].uid == key->uid)
			return &l->s[i];
	return NULL;
}
