/*
 * future_test.c - nobody sees the future: whatever a client or an MTA was told is still so when the
 * power goes right behind it.
 *
 *     future_test                 some storms, as a unit test
 *     future_test STORMS          so many
 *     future_test 1 SEED CUT      one storm, cut when the engine has completed CUT things, told line by line
 *
 * A storm (storm.h) is played again and again, and each time the engine stops one completion later;
 * what can still be sent without it is sent; then the power goes.
 */
#include "model/storm.h"

#include "kv/kv.h"

#include <stdlib.h>

enum { FIRST_SEED = 3 };

static struct storm storm;
static uint64_t cuts, answers, pictures;

/* One storm with one cut. True: a later cut is another one. */
static bool
play(uint64_t seed, uint64_t cut, bool is_verbose)
{
	struct kv *kv = sim_memory(seed);
	struct sim *sim = &storm.r.sim;
	bool has_more;

	storm_open(&storm, kv, true, seed);
	snprintf(storm.r.again, sizeof(storm.r.again), "build/src/model/future_test 1 %llu %llu",
	    (unsigned long long)seed, (unsigned long long)cut);
	storm.r.is_verbose = is_verbose;
	sim->steps_max = sim->steps + cut;
	sim->is_stopped = cut == 0;
	storm_rage(&storm);
	has_more = sim->is_stopped || sim->steps == sim->steps_max;
	storm_end(&storm);
	storm_check(&storm, kv, true);
	cuts++;
	answers += storm.answers;
	pictures += storm.pictures;
	storm_done(&storm);
	kv_close(kv);
	return has_more;
}

int
main(int argc, char **argv)
{
	uint64_t storms = argc > 1 ? strtoull(argv[1], NULL, 10) : 150,
		 seed = argc > 2 ? strtoull(argv[2], NULL, 10) : FIRST_SEED;

	printf("1..1\n");
	if (argc > 3) {
		play(seed, strtoull(argv[3], NULL, 10), true);
		return 0;
	}
	for (uint64_t i = 0; i < storms; i++) {
		uint64_t cut = 0;

		while (play(seed + i, cut, false))
			cut++;
	}
	printf("# %llu cuts in %llu storms; %llu answers and %llu pictures compared\n",
	    (unsigned long long)cuts, (unsigned long long)storms, (unsigned long long)answers,
	    (unsigned long long)pictures);
	printf("ok 1 - nobody sees the future\n");
	return 0;
}
