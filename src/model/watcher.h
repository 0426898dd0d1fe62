/*
 * watcher.h - for tests: a client that has selected nothing, asks for all news of its account by
 * NOTIFY (RFC 5465), and believes what it is told. What it believes must be what the account holds,
 * whenever nothing is on its way any more.
 */
#ifndef MODEL_WATCHER_H
#define MODEL_WATCHER_H

#include "model/state.h"
#include "model/told.h"

enum { WATCHED_MAX = 2 * STATE_BOXES };

/* A name as the client knows it. */
struct watched {
	char name[STATE_NAME];
	bool is_mailbox, is_subscribed;
	struct told_status status;
	/* what it had when the client last looked, and which of it was told to have changed */
	struct annotated annotations;
	unsigned changed;
};

struct watcher {
	struct picture pic;
	bool is_there;
	struct watched names[WATCHED_MAX];
	uint32_t n;
	unsigned server_changed; /* annotations of the server */
	uint64_t told;           /* lines */
	char wrong[300];         /* "": nothing is */
};

/** What there is at the beginning, the client is taken to have asked for. */
void watcher_begin(struct watcher *w, struct sim *sim, const struct state *s);
/** Takes a line. */
void watcher_take(struct watcher *w, const struct told *t);
/** Holds what the client believes against the state; then it looks at annotations that changed. */
void watcher_check(struct watcher *w, const struct state *s);

#endif
