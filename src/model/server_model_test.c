/*
 * server_model_test.c - random commands of several clients and an MTA against a naive model: every
 * answer, and every client's picture.
 *
 *     server_model_test                     a few histories, as a unit test
 *     server_model_test COMMANDS            so many commands or a few more, in histories of 500 steps
 *     server_model_test 1 SEED STEPS        the beginning of one history, told line by line
 *
 * One thread, a virtual clock, the engine in memory that completes late and in any order: a seed
 * says everything.
 */
#include "model/run.h"

#include <stdlib.h>

enum { STEPS = 500, FIRST_SEED = 20261122, LIMITS = 12 };

static struct run run;

static void
play(uint64_t seed, uint32_t steps, bool is_verbose, uint64_t *commands, uint64_t *bursts,
    uint64_t *resyncs, uint64_t *limited, uint64_t *contexts, uint64_t *sorted, uint64_t *news)
{
	/* Every third history with MESSAGELIMIT. */
	uint32_t limit = seed % 3 == 0 ? STATE_ADDS + (uint32_t)(seed / 3 % LIMITS) : 0;
	/* And in every fifth what changes many pages is several commits. */
	uint32_t pages = seed % 5 == 0 ? 1 + (uint32_t)(seed / 5 % 2) : 0;

	run_open_limited(&run, sim_memory(seed), true, seed,
	    (struct sim_limits){ .messages = limit, .commit_pages = pages });
	run.has_notes = seed % 2 == 0;
	if (seed % 4 < 2)
		run_watch(&run);
	run.is_verbose = is_verbose;
	while (run.step < steps)
		run_step(&run);
	run_compare(&run);
	*commands += run.commands;
	*bursts += run.bursts;
	*resyncs += run.resyncs;
	*limited += run.limited;
	*contexts += run.contexts;
	*sorted += run.sorted;
	*news += run.watcher.told;
	run_close(&run);
}

int
main(int argc, char **argv)
{
	uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000, commands = 0, bursts = 0,
		 resyncs = 0, limited = 0, contexts = 0, sorted = 0, news = 0;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : FIRST_SEED, histories = 0;
	uint32_t steps = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : STEPS;

	printf("1..1\n");
	for (; commands < wanted; histories++)
		play(seed++, steps, argc > 3, &commands, &bursts, &resyncs, &limited, &contexts,
		    &sorted, &news);
	printf(
	    "# %llu commands in %llu histories, %llu bursts, %llu resynchronisations, %llu over the limit; %llu results kept up to date (%llu sorted) and %llu lines of news compared\n",
	    (unsigned long long)commands, (unsigned long long)histories, (unsigned long long)bursts,
	    (unsigned long long)resyncs, (unsigned long long)limited, (unsigned long long)contexts,
	    (unsigned long long)sorted, (unsigned long long)news);
	printf("ok 1 - server model\n");
	return 0;
}
