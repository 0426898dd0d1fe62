/*
 * conform.h - the conformance suite: everything that kv.h promises, for any engine. The program of
 * an engine gives the functions that open and reopen it; conform.c has the cases.
 */
#ifndef KV_CONFORM_H
#define KV_CONFORM_H

#include "kv/kv.h"

struct conform_engine {
	/*
	 * A new, empty store. The options' directory and merge functions are filled in by the
	 * suite.
	 */
	struct kv *(*open)(void);
	/* Closes and opens again what open() gave. NULL: the engine forgets. */
	struct kv *(*reopen)(struct kv *kv);
	/* Closes and removes. */
	void (*close)(struct kv *kv);
};

/* Options with the suite's merge function (an operand is appended) for KV_PAGE and KV_POSTING. */
struct kv_options conform_options(void);
/* A sealed stage of these bytes. */
struct kv_stage *conform_stage(struct kv *kv, struct str data, struct blob_id *id_out);
struct test_case;
/* Runs all cases, then those that only this engine has; the exit status. */
int conform_run(const struct conform_engine *engine, const struct test_case *more,
    size_t more_count);

#endif
