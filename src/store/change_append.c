/* change_append.c - APPEND, MULTIAPPEND, delivery. The mailbox's pages are not needed. */
#include "store/change_int.h"

#include "store/arrival_int.h"

#include <stdlib.h>

static void
append_entry(struct account *a, struct commit *c, const struct append *m, struct keywords keywords,
    int64_t now_s, struct page_entry *out)
{
	struct msgno n = account_next_msgno(a);

	*out = (struct page_entry){
		.modseq = c->version,
		.internal_s = m->has_internal_date ? m->internal_s : now_s,
		.internal_zone_min = m->has_internal_date ? m->internal_zone_min : 0,
		.saved_s = now_s,
		.msgno = n.v,
		.flags = m->flags & FLAGS_STORABLE,
		.keywords = keywords,
	};
	out->size_bytes = message_put(a, c->txn, c->version, a->durable->version, n, m);
}

/* Slots for all keywords, before anything is written: what could be refused is refused here. */
static enum err
find_keywords(struct commit *c, uint32_t at, const struct append *messages, uint32_t count,
    struct keywords *out)
{
	struct mailbox_change *m = commit_mailbox(c, at);
	enum err e = ERR_OK;

	if (m->state->info.uidnext > UINT32_MAX - count - 1)
		return ERR_LIMIT;
	for (uint32_t i = 0; i < count && e == ERR_OK; i++)
		e = change_keywords(m, messages[i].keywords, messages[i].keyword_count, true,
		    &out[i]);
	return e;
}

/* Where \Seen is private, it is that of who appends. */
static uint32_t
append_one(struct appender *p, const struct append *m, struct page_entry *entry)
{
	const struct mailbox_info *info = &commit_mailbox(p->c, p->at)->state->info;
	uint64_t user = m->who.v == 0 ? SEEN_OWNER : seen_user_in(p->c->account, m->who);
	bool is_seen = (entry->flags & FLAG_SEEN) != 0,
	     is_own = info->is_seen_private && user != SEEN_OWNER;
	uint32_t uid;

	if (is_own)
		entry->flags &= (uint16_t)~FLAG_SEEN;
	uid = appender_add(p, entry);
	must(uid != 0);
	if (is_own && is_seen)
		appender_see(p, user, uid);
	return uid;
}

enum err
append_all(struct commit *c, uint32_t at, const struct append *messages, uint32_t count)
{
	struct account *a = c->account;
	struct clock *clock = a->store->o.clock;
	int64_t now_s = clock->wall_ms(clock) / 1000;
	struct keywords *keywords = xcalloc(MAX(count, 1), sizeof(*keywords));
	struct appender p;
	enum err e;

	e = find_keywords(c, at, messages, count, keywords);
	if (e == ERR_OK) {
		appender_begin(&p, c, at);
		for (uint32_t i = 0; i < count; i++) {
			struct page_entry entry;
			uint32_t uid;

			append_entry(a, c, &messages[i], keywords[i], now_s, &entry);
			uid = append_one(&p, &messages[i], &entry);
			if (messages[i].notes.n != 0)
				appender_add_notes(&p, uid, messages[i].notes);
		}
		appender_end(&p);
		c->row.next_msgno = a->msgno_high;
		c->is_row_changed = true;
	}
	free(keywords);
	return e;
}

enum err
messages_append(struct account *a, struct mailbox_id dest, const struct append *messages,
    uint32_t count, struct waiter *w, struct uid *uid_first_out, uint32_t *uidvalidity_out,
    struct snapshot **after_out)
{
	const struct mailbox_info *info = NULL;
	struct commit *c = NULL;
	uint64_t bytes = 0, notes = 0;
	int64_t at;
	enum err e;

	if (count > COPY_MAX)
		return ERR_LIMIT;
	if (kv_space(a->kv) != KV_SPACE_OK)
		return ERR_FULL;
	e = messages_prepare(a, messages, count, w);
	if (e != ERR_OK)
		return e;
	pthread_mutex_lock(&a->lock);
	at = snapshot_find_id(a->latest, dest);
	if (at < 0)
		e = ERR_NOTFOUND;
	else
		info = &snapshot_state(a->latest, (uint32_t)at)->info;
	if (e == ERR_OK && info->is_noselect)
		e = ERR_NOSELECT;
	if (e == ERR_OK)
		e = commit_begin(a, &c);
	for (uint32_t i = 0; i < count; i++) {
		bytes += messages[i].prefix.n + arrival_size(messages[i].arrival);
		notes += messages[i].notes.n;
	}
	if (e == ERR_OK)
		e = commit_check_room(c, bytes, count);
	if (e == ERR_OK && notes != 0)
		e = commit_check_notes(c, notes);
	if (e == ERR_OK) {
		uid_first_out->v = info->uidnext;
		*uidvalidity_out = info->uidvalidity;
		e = append_all(c, (uint32_t)at, messages, count);
	}
	if (e == ERR_OK)
		*after_out = commit_publish_one(c);
	else
		commit_abort(c);
	pthread_mutex_unlock(&a->lock);
	return e;
}
