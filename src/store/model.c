/*
 * model.c - what should be in the mailboxes (model.h).
 */
#include "store/model.h"

uint64_t
model_random(struct model *m, uint64_t below)
{
	m->random = m->random * 6364136223846793005u + 1442695040888963407u;
	return hash_u64(m->random) % below;
}

struct m_state *
model_latest(struct model *m)
{
	return &m->states[m->state_count - 1];
}

struct m_state *
model_state_of(struct model *m, uint64_t version)
{
	for (uint32_t i = m->state_count; i != 0; i--) {
		if (m->states[i - 1].version == version)
			return &m->states[i - 1];
	}
	return NULL;
}

struct m_box *
model_box_of(struct m_state *s, uint64_t id)
{
	for (int i = 0; i < BOXES; i++) {
		if (s->box[i].id == id)
			return &s->box[i];
	}
	return NULL;
}

/* A new version that is a copy of the latest. */
struct m_state *
model_push(struct model *m, uint64_t version)
{
	struct m_state *s = &m->states[m->state_count];

	MUST(m, m->state_count < VERSIONS);
	*s = m->states[m->state_count - 1];
	s->version = version;
	for (int i = 0; i < BOXES; i++)
		s->box[i].is_own = false;
	m->state_count++;
	return s;
}

void
model_own(struct model *m, struct m_box *b)
{
	struct m_entry *e;

	if (b->is_own)
		return;
	e = arena_alloc(&m->f.a, (b->count + 8) * sizeof(*e));
	if (b->count != 0)
		memcpy(e, b->e, b->count * sizeof(*e));
	b->e = e;
	b->is_own = true;
}

void
model_box_add(struct model *m, struct m_box *b, struct m_entry e)
{
	struct m_entry *all = arena_alloc(&m->f.a, (b->count + 1) * sizeof(*all));

	if (b->count != 0)
		memcpy(all, b->e, b->count * sizeof(*all));
	e.uid = b->uidnext++;
	all[b->count++] = e;
	b->e = all;
	b->is_own = true;
}

void
model_box_remove(struct model *m, struct m_box *b, uint32_t i)
{
	model_own(m, b);
	b->count--;
	memmove(&b->e[i], &b->e[i + 1], (b->count - i) * sizeof(*b->e));
}

/* Versions that were taken back leave the model, sessions that saw them end. */
void
model_end_session(struct m_session *s)
{
	view_close(s->view);
	snapshot_unref(s->own);
	*s = (struct m_session){ 0 };
}

void
model_take_back(struct model *m)
{
	struct account *a = m->f.account;
	uint32_t n = 0;

	for (int i = 0; i < SESSIONS; i++) {
		struct m_session *s = &m->s[i];

		if (s->own != NULL
		    && account_durability(a, snapshot_version(s->own)) == VERSION_FAILED)
			model_end_session(s);
		else if (s->view != NULL
		    && account_durability(a, view_version(s->view)) == VERSION_FAILED)
			model_end_session(s);
	}
	for (uint32_t i = 0; i < m->state_count; i++) {
		if (account_durability(a, m->states[i].version) != VERSION_FAILED)
			m->states[n++] = m->states[i];
	}
	m->state_count = n;
}

void
model_note_stages(struct model *m, const struct snapshot *after)
{
	for (uint64_t v = model_latest(m)->version + 1; v < snapshot_version(after); v++)
		model_push(m, v);
}
