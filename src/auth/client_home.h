/* client_home.h - how the mail process makes the client and gives it connections. */
#ifndef AUTH_CLIENT_HOME_H
#define AUTH_CLIENT_HOME_H

#include "auth/client.h"

/**
 * @home  the loop that reads and writes the connection; borrowed. No connection yet: all is
 *        answered with ERR_BUSY.
 */
struct auth_client *auth_client_new(struct loop *home, bool has_scram);
/** Home loop, when no exchange or lookup is left and no other loop runs. */
void auth_client_free(struct auth_client *c);
/**
 * Home loop: takes over a connected stream socket to an auth process; what was in flight on the one
 * before fails.
 */
void auth_client_attach(struct auth_client *c, int fd);

#endif
