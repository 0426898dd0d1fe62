/*
 * session_world.h - for tests: a whole server in this process, on the engine in memory, with users
 * joe and ann (password "secret"), two loops, a door and two loops aside in threads, a clear-text and a TLS port; and clients
 * that speak to it line by line.
 */
#ifndef SESSION_WORLD_H
#define SESSION_WORLD_H

#include "base/test.h"
#include "io/stream_peer.h"
#include "session/server.h"

struct world;

/** @o  NULL, or limits and the like; what is shared is filled in here */
struct world *world_new(const struct server_options *o);
void world_free(struct world *w);
struct server *world_server(struct world *w);
struct kv *world_kv(struct world *w);
uint16_t world_tls_port(const struct world *w);
/** Runs fn(arg) on the thread of the first loop, and waits for it. */
void world_run(struct world *w, void (*fn)(void *arg), void *arg);

struct client {
	struct peer peer;
	struct buf in; /* received and not yet shown */
	char tag[8];
	unsigned tags;
	struct buf last; /* what the last command brought, tagged line included */
};

/** Connects and takes the greeting (into c->last). */
void client_open(struct client *c, struct world *w, bool is_tls);
/** The same over a socket pair, as if from that address (network order), greeting taken. */
void client_open_from(struct client *c, struct world *w, uint32_t ipv4);
void client_close(struct client *c);
/** Sends bytes as they are. */
void client_send(struct client *c, struct str bytes);
/**
 * The next line, without its end, literals included as they are. "" at the end of the connection.
 * Valid until the next call.
 */
struct str client_line(struct client *c);
/** Sends a command (tag and line end are added), collects lines up to its tagged reply. */
struct str client_do(struct client *c, const char *fmt, ...) printf_like(2, 3);
void client_login(struct client *c, const char *user);

/** Does text hold what? */
bool has(struct str text, const char *what);
#define CHECK_HAS(text, what)                                                                      \
	do {                                                                                       \
		struct str text_ = (text);                                                         \
		if (!CHECK(has(text_, what)))                                                      \
			printf("#  no \"%s\" in \"%.*s\"\n", what, STR_F(text_));                  \
	} while (0)
#define CHECK_HAS_NOT(text, what) CHECK(!has(text, what))

#endif
