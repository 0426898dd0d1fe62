/*
 * roles.h - what the processes beside the supervisor do. Each returns the exit status of its
 * process.
 */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

int auth_main(void);
int key_main(void);
int mail_main(void);

#endif
