/*
 * model_test.c - random commands from several sessions against a naive model: every view, count and
 * difference is compared.
 *
 *     model_test                 a few histories, as a unit test
 *     model_test 1000 7          1000 histories from seed 7 on
 *     model_test 1 7 300         the history of seed 7, 300 commands long
 *
 * The engine is the one in memory in manual mode: loads and commits complete in any order, fail at
 * times, and lose power; pages are evicted at any time. The model keeps a whole copy of all
 * mailboxes for each version.
 */
#include "store/model.h"

/* ---- trouble ---- */

static void
do_evict(struct model *m)
{
	size_t cache = m->f.store->o.cache_bytes;

	m->f.store->o.cache_bytes = 0;
	m->f.account->loaded_us = 0;
	account_evict(m->f.account);
	m->f.store->o.cache_bytes = cache;
}

static void
reopen(struct model *m)
{
	struct snapshot *s;
	uint64_t durable;

	fixture_open_store(&m->f);
	blocker_init(&m->f.b, m->f.kv);
	MUST(m,
	    UNTIL_DONE(&m->f.b,
		store_account_open(m->f.store, STR("joe"), ACCOUNT_EXISTING, &m->f.b.w,
		    &m->f.account))
		== ERR_OK);
	s = account_snapshot(m->f.account, NULL);
	durable = snapshot_version(s);
	SAY(m, "reopened at %llu, model at %llu\n", (unsigned long long)durable,
	    (unsigned long long)model_latest(m)->version);
	while (m->state_count != 0 && model_latest(m)->version > durable)
		m->state_count--;
	MUST(m, m->state_count != 0 && model_latest(m)->version == durable);
	model_compare_snapshot(m, s, model_latest(m));
	snapshot_unref(s);
}

static void
do_power_cut(struct model *m)
{
	struct snapshot *s = account_snapshot(m->f.account, NULL);
	uint64_t acknowledged = snapshot_version(s);

	snapshot_unref(s);
	for (int i = 0; i < SESSIONS; i++)
		model_end_session(&m->s[i]);
	waiter_cancel(&m->f.b.w);
	kv_memory_power_cut(m->f.kv);
	store_discard(m->f.store);
	reopen(m);
	MUST(m, model_latest(m)->version >= acknowledged);
	SAY(m, "power cut: back to %llu\n", (unsigned long long)model_latest(m)->version);
}

static void
do_restart(struct model *m)
{
	for (int i = 0; i < SESSIONS; i++)
		model_end_session(&m->s[i]);
	fixture_settle(&m->f);
	model_take_back(m);
	if (kv_is_failed(m->f.kv)) {
		do_power_cut(m); /* what was taken back may be on the disk all the same */
		return;
	}
	kv_memory_fail_at(m->f.kv, 0, ERR_OK);
	account_unref(m->f.account);
	store_close(m->f.store);
	reopen(m);
}

static void
command(struct model *m)
{
	uint64_t what = model_random(m, 100);

	if (kv_is_failed(m->f.kv))
		do_power_cut(m); /* nothing works any more until the next start */
	else if (what < 15)
		model_do_append(m);
	else if (what < 25)
		model_do_open(m);
	else if (what < 45)
		model_do_refresh(m);
	else if (what < 54)
		model_do_store(m);
	else if (what < 58)
		model_do_note(m);
	else if (what < 65)
		model_do_expunge(m);
	else if (what < 70)
		model_do_copy(m, false);
	else if (what < 76)
		model_do_copy(m, true);
	else if (what < 81)
		model_do_mailbox(m);
	else if (what < 84)
		model_do_vanished(m);
	else if (what < 87)
		do_evict(m);
	else if (what < 90)
		model_do_rest(m);
	else if (what < 91 && model_random(m, 3) == 0)
		kv_memory_fail_at(m->f.kv, 1 + model_random(m, 6),
		    (const enum err[]){ ERR_CONFLICT, ERR_FULL, ERR_IO }[model_random(m, 3)]);
	else if (what < 92 && model_random(m, 4) == 0)
		do_power_cut(m);
	else if (what < 93 && model_random(m, 4) == 0)
		do_restart(m);
	else
		for (uint64_t n = model_random(m, 5); n != 0; n--)
			kv_memory_step(m->f.kv);
	model_take_back(m);
}

static void
run(uint64_t seed, uint32_t steps, bool is_verbose)
{
	struct model m = { .seed = seed, .random = seed * 77 + 1, .is_verbose = is_verbose };
	struct snapshot *s;
	uint32_t n = 0;

	fixture_init_seed(&m.f, true, seed);
	m.states = xcalloc(VERSIONS, sizeof(*m.states));
	s = account_snapshot(m.f.account, NULL);
	m.states[0].version = snapshot_version(s);
	m.state_count = 1;
	for (uint32_t i = 0; snapshot_mailbox_at(s, i) != NULL; i++) {
		const struct mailbox_info *info = snapshot_mailbox_at(s, i);

		m.states[0].box[n] = (struct m_box){ .id = info->id.v,
			.uidnext = 1,
			.highestmodseq = info->highestmodseq };
		snprintf(m.states[0].box[n++].name, sizeof(m.states[0].box[0].name), "%.*s",
		    STR_F(info->name));
	}
	snapshot_unref(s);
	for (m.step = 0; m.step < steps; m.step++)
		command(&m);
	kv_memory_fail_at(m.f.kv, 0, ERR_OK);
	if (kv_is_failed(m.f.kv))
		do_power_cut(&m);
	fixture_settle(&m.f);
	model_take_back(&m);
	s = account_snapshot(m.f.account, NULL);
	MUST(&m, snapshot_version(s) == model_latest(&m)->version);
	model_compare_snapshot(&m, s, model_latest(&m));
	snapshot_unref(s);
	model_compare_rows(&m);
	for (int i = 0; i < SESSIONS; i++)
		model_end_session(&m.s[i]);
	fixture_done(&m.f);
	free(m.states);
}

static void
test_model(void)
{
	for (uint64_t seed = 1; seed <= 30; seed++)
		run(seed, 200, false);
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { TEST(test_model) };
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 0,
		 seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint32_t steps = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 400;

	if (argc < 2)
		return test_run(cases, ARRAY_LEN(cases));
	for (uint64_t i = 0; i < count; i++)
		run(seed + i, steps, count == 1);
	printf("%llu histories of %u commands\n", (unsigned long long)count, steps);
	return 0;
}
