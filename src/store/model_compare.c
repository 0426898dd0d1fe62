/*
 * model_compare.c - whether the store has what the model has: views, counts, differences, rows.
 */
#include "store/model.h"

static uint8_t
keywords_of(const struct mailbox_info *info, struct keywords k)
{
	uint8_t bits = 0;

	for (unsigned i = 0; i < KEYWORDS; i++) {
		char name[3] = { 'k', (char)('0' + i), 0 };
		int slot = mailbox_keyword_slot(info, str_c(name));

		if (slot >= 0 && keywords_has(k, (unsigned)slot))
			bits |= (uint8_t)(1 << i);
	}
	return bits;
}

/* The list of what the model says, in the order in which changes write it. */
size_t
model_note_changes(struct model *m, uint8_t notes, bool has_removals, struct annotation out[3])
{
	const struct annotation all[3] = {
		{ .scope = ANNOTATION_SHARED,
		    .name = STR("/comment"),
		    .value =
			str_make("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			    notes & NOTE_SHARED) },
		{ .scope = ANNOTATION_PRIVATE,
		    .user = m->f.account->id.v,
		    .name = STR("/comment"),
		    .value = STR("own") },
		{ .scope = ANNOTATION_PRIVATE,
		    .user = OTHER_USER,
		    .name = STR("/altsubject"),
		    .value = STR("other") },
	};
	const bool has[3] = { (notes & NOTE_SHARED) != 0, (notes & NOTE_OWN) != 0,
		(notes & NOTE_OTHER) != 0 };
	size_t n = 0;

	for (int i = 0; i < 3; i++) {
		if (!has[i] && !has_removals)
			continue;
		out[n] = all[i];
		if (!has[i])
			out[n].value = STR_NONE;
		n++;
	}
	return n;
}

static void
compare_notes(struct model *m, struct str list, uint8_t notes)
{
	BUF_CLEAN struct buf want = BUF_MAX(4096);
	struct annotation changes[3];
	size_t n = model_note_changes(m, notes, false, changes);

	MUST(m, notes_change(STR_NONE, changes, n, &want) == ERR_OK);
	MUST(m, str_eq(list, buf_str(&want)));
}

void
model_compare_view(struct model *m, struct m_session *s)
{
	const struct mailbox_info *info = view_mailbox(s->view);
	uint32_t i = 0;
	struct entry e;
	struct seqnum seq;

	MUST(m, view_exists(s->view) == s->told_count);
	for (uint32_t uid = 0; view_next(s->view, uid, &e, &seq); uid = e.uid.v + 1, i++) {
		const struct m_entry *t = &s->told[i];
		struct uid back;

		MUST(m, i < s->told_count);
		MUST(m, e.uid.v == t->uid);
		MUST(m, seq.v == i + 1);
		MUST(m, e.flags == t->flags);
		MUST(m, e.modseq == t->modseq);
		MUST(m, e.is_ghost == t->is_ghost);
		MUST(m, e.msgno.v == t->msgno || t->msgno == 0);
		MUST(m, keywords_of(info, e.keywords) == t->keywords);
		if (!t->is_ghost)
			compare_notes(m, view_notes(s->view, e.uid), t->notes);
		MUST(m, view_seq(s->view, e.uid).v == i + 1);
		MUST(m, view_uid(s->view, (struct seqnum){ i + 1 }, &back) && back.v == e.uid.v);
	}
	MUST(m, i == s->told_count);
	MUST(m, !view_has_lost_notes(s->view));
}

void
model_compare_snapshot(struct model *m, const struct snapshot *s, const struct m_state *state)
{
	uint64_t messages = 0;

	for (int i = 0; i < BOXES; i++) {
		const struct m_box *b = &state->box[i];
		const struct mailbox_info *info;
		uint32_t unseen = 0, deleted = 0;
		uint64_t notes = 0;

		if (b->id == 0)
			continue;
		info = snapshot_mailbox(s, str_c(b->name));
		MUST(m, info != NULL && info->id.v == b->id);
		MUST(m, info == snapshot_mailbox_by_id(s, info->id));
		for (uint32_t k = 0; k < b->count; k++) {
			unseen += (b->e[k].flags & FLAG_SEEN) == 0;
			deleted += (b->e[k].flags & FLAG_DELETED) != 0;
			if (b->e[k].notes != 0) {
				BUF_CLEAN struct buf list = BUF_MAX(4096);
				struct annotation changes[3];

				ignore_err(notes_change(STR_NONE, changes,
					       model_note_changes(m, b->e[k].notes, false, changes),
					       &list),
				    "short");
				notes += list.n;
			}
		}
		MUST(m, info->notes_bytes == notes);
		MUST(m, info->exists == b->count);
		MUST(m, info->unseen == unseen);
		MUST(m, info->deleted == deleted);
		MUST(m, info->uidnext == b->uidnext);
		MUST(m, info->highestmodseq == b->highestmodseq);
		messages += b->count;
	}
	MUST(m, s->row.messages == messages);
}

void
model_compare_rows(struct model *m)
{
	struct account *a = m->f.account;
	struct kv_range range = { .kind = KV_PAGE };
	struct kv_rows *rows = NULL;
	uint32_t pages = 0, in_memory = 0;

	fixture_settle(&m->f);
	MUST(m, kv_load_now(m->f.kv, a->id, &range, 1, &rows) == ERR_OK);
	for (uint32_t i = 0; i < a->latest->count; i++) {
		const struct mailbox_state *s = snapshot_state(a->latest, i);

		for (size_t k = 0; k < rows->ranges[0].count; k++) {
			struct mailbox_id id;
			uint32_t page, uid;
			struct str list;

			if (row_key_parse_notes(rows->ranges[0].rows[k].key, &id, &uid)) {
				MUST(m,
				    notes_row_decode(rows->ranges[0].rows[k].value, &list)
					== ERR_OK);
				MUST(m,
				    id.v != s->info.id.v || !s->has_tree
					|| str_eq(tree_notes(s->tree, uid), list));
				continue;
			}
			MUST(m, row_key_parse_page(rows->ranges[0].rows[k].key, &id, &page));
			if (id.v != s->info.id.v || !s->has_tree)
				continue;
			MUST(m, str_eq(tree_page(s->tree, page), rows->ranges[0].rows[k].value));
			MUST(m, !page_is_damaged(rows->ranges[0].rows[k].value));
			pages++;
		}
		if (s->has_tree) {
			struct tree_at at;
			uint32_t uid = 0;

			while (tree_next(s->tree, uid, TREE_ANY, &at)) {
				in_memory++;
				uid = (at.uid | 63) + 1;
			}
		}
	}
	MUST(m, pages == in_memory);
	kv_rows_free(rows);
}
