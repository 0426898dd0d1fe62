/*
 * control.h - the tool's socket. A connection's first line says what it wants:
 *
 *     USER name      an IMAP session of that user, already logged in (it begins with "* PREAUTH")
 *     DELETE name    deletes the account with all its mail, of a user who is no longer one: "OK", then the end
 *     ADMIN          frames of backup/service.h: backups, restoring, bringing back; answered by "OK"
 *     WHO            a line of JSON for each session, then the end
 *
 * Anything that goes wrong is answered by a line "ERROR text" and the end. Only the owner of the
 * socket file can connect.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

struct admin;
struct auth_client;
struct control;
struct loop;
struct server;
struct store;

/** All borrowed; fd listens and stays the caller's. On loop's thread, as the rest. */
struct control *control_new(struct loop *loop, int fd, struct server *server, struct store *store,
    struct auth_client *auth, struct admin *admin);
/** Ends what has not become a session. */
void control_free(struct control *c);

#endif
