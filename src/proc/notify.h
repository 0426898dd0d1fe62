/*
 * notify.h - tells systemd how far we are (sd_notify(3)'s protocol, a datagram), when it asked to
 * be told.
 */
#ifndef PROC_NOTIFY_H
#define PROC_NOTIFY_H

/** state: "READY=1", "STOPPING=1". Does nothing without NOTIFY_SOCKET in the environment. */
void notify_state(const char *state);

#endif
