/* client_home.h - how the mail process makes the client and gives it connections. */
#ifndef AUTH_CLIENT_HOME_H
#define AUTH_CLIENT_HOME_H

#include "auth/client.h"

/**
 * @loops  that have a connection each, which they read and write; borrowed. Others use the first's,
 *         and so do they until they have theirs. While that is not there all is answered with
 *         ERR_BUSY.
 */
struct auth_client *auth_client_new(struct loop *const *loops, size_t count, bool has_scram);
/** First loop, when no exchange or lookup is left and no other loop runs. */
void auth_client_free(struct auth_client *c);
/**
 * First loop: takes over a connected stream socket to an auth process for the loop of that number,
 * which has it soon, the first one at once; what was in flight on the one before fails.
 */
void auth_client_attach(struct auth_client *c, size_t number, int fd);

#endif
