/*
 * session.h - one IMAP client: what commands see of it.
 *
 * A session belongs to one loop at a time (move.c). It holds a view of the selected mailbox (store/view.h)
 * and the snapshot after its own last commit; what it shows is the durable snapshot or that one,
 * whichever is later. When a command has changed something it hands the snapshot to
 * session_committed(), which puts a gate into the output: nothing written afterwards leaves before
 * that version is durable.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "imap/reply.h"
#include "mime/collation.h"
#include "session/command.h"
#include "session/language.h"
#include "store/acl.h"
#include "store/change.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/view.h"

struct stream;
struct server; /* what all sessions share: store, auth client, TLS, options, registry */

/* What the client has enabled (RFC 5161) or switched on by use. */
enum enabled {
	ENABLED_CONDSTORE = 1 << 0,
	ENABLED_QRESYNC = 1 << 1,
	ENABLED_UTF8 = 1 << 2,
	ENABLED_IMAP4REV2 = 1 << 3,
	ENABLED_UIDONLY = 1 << 4,
	ENABLED_METADATA = 1 << 5,
	ENABLED_METADATA_SERVER = 1 << 6,
};

struct session {
	uint64_t id;
	struct server *server;
	struct stream *stream;
	unsigned enabled;
	/* by which texts are searched and sorted: COMPARATOR (RFC 5255) */
	enum mime_collation collation;
	enum language language;  /* of the words in responses: LANGUAGE (RFC 5255) */
	struct str user;         /* STR_NONE before login */
	struct account *account; /* NULL before login */
	struct snapshot *own;    /* after our last commit; NULL once durable has passed it */
	/* what it knows of annotations: metadata.c; NULL: it is not to be told */
	struct metadata *metadata;
	/* searches whose results are kept up to date: context.c; NULL: none */
	struct contexts *contexts;
	/* what it wants to be told of: notify.c; NULL: there was no NOTIFY yet */
	struct notify *notify;
	/* what it has of others' accounts: foreign.c; NULL: nothing */
	struct foreign *foreign;
	struct view *view; /* the selected mailbox, or NULL */
	unsigned rights;   /* in the selected mailbox (store/acl.h) */
	/* of the user's key for URLs of the selected mailbox, as it was told: urlauth.c */
	uint64_t key_hash, key_version;
	/* SEARCHRES "$": UIDs of the selected mailbox; empty when nothing is saved */
	struct rangeset saved;
	/* what UIDBATCHES has told of it: cmd/uidbatches.c; NULL: nothing */
	struct batches *batches;
	/* UIDs whose changed flags by our own STORE.SILENT are not told */
	struct rangeset silenced;
	/* UIDs whose flags and modseq the command's own answers will tell; NULL: none */
	const struct rangeset *answered;
	bool is_examined; /* the selected mailbox was opened by EXAMINE */
	/*
	 * the admin tool's, over the control socket: it sees this account alone, and may set quotas
	 */
	bool is_operator;
	bool is_closing;           /* BYE was sent */
	struct session_core *core; /* the core's own: framing, queue of commands, timers */
};

/**
 * Where replies are written; bounded by session_is_full(). Complete lines only at the end of a
 * run().
 */
struct buf *session_out(struct session *s);
/** Between two lines: when session_out() has much, that goes into the connection's queue. */
void session_pass_on(struct session *s);
/**
 * Sends bytes of a message without copying; takes over the reference. What is in session_out() goes
 * first.
 */
void session_send(struct session *s, struct kv_bytes *bytes, struct str data);
/** 256 KiB wait to be sent: stop writing, `return session_wait_output(s)`. */
bool session_is_full(struct session *s);
/** ERR_WAIT, and the command is run again when the output has drained. */
enum err session_wait_output(struct session *s);
/**
 * ERR_WAIT, and the command is run again in a turn of the loop to come: long work in steps of about
 * 1 ms.
 */
enum err session_yield(struct session *s);
/** Whether this turn has been long enough (1 ms): then yield. */
bool session_should_yield(struct session *s);
/** The waiter to hand to the store: waking it runs the command again. */
struct waiter *session_waiter(struct session *s);

/** The form of strings and mailbox names for this client. */
enum reply_form session_form(const struct session *s);
/** The snapshot that the session may show, referenced. */
struct snapshot *session_snapshot(struct session *s);
/** The same of any account. */
struct snapshot *session_snapshot_of(struct session *s, struct account *a);
/** Who asks, for access control lists; borrowed from the session. */
struct identity session_identity(const struct session *s);
/**
 * A command has changed something: takes over the reference (NULL: nothing was changed), which is
 * the session's until it looks at the account again. Before anything is written of what it changed.
 */
void session_committed(struct session *s, struct snapshot *after);
/**
 * The same of a change of one mailbox for which there may have been nothing to do: then `after` is
 * what somebody else made. mailbox: as it is in `after`, NULL when it is not there.
 */
void session_committed_if(struct session *s, struct snapshot *after,
    const struct mailbox_info *mailbox);
/**
 * A change found nothing to do, or was refused: that may be because of what somebody else changed a
 * moment ago, so nothing written from here on leaves before that is durable. The core does so after
 * commands that are CHANGES.
 */
void session_saw_latest(struct session *s);

/**
 * Tells the changes of the selected mailbox now (EXISTS, RECENT, FETCH FLAGS, EXPUNGE or VANISHED).
 * The core does so after each command and during IDLE. ERR_WAIT: call again.
 */
enum err session_tell(struct session *s, enum view_tell tell);
/** Writes "* n FETCH (", or "* uid UIDFETCH (" after ENABLE UIDONLY (RFC 9586 3.3). */
void session_begin_fetch(struct session *s, struct seqnum seq, struct uid uid);
/**
 * Writes "n FETCH (FLAGS (...) UID u MODSEQ (m))" with what the client has enabled; is_uid: the UID
 * is included in any case.
 */
void session_tell_flags(struct session *s, const struct entry *e, struct seqnum seq, bool is_uid);
/** The same without FLAGS, for who has CONDSTORE enabled. */
void session_tell_modseq(struct session *s, const struct entry *e, struct seqnum seq, bool is_uid);
/** Forgets which batches a client was told (cmd/uidbatches.c). Takes NULL. */
void batches_free(struct batches *b);
/**
 * Selects a view (takes it over), in whose mailbox the user has these rights, or closes the
 * selected mailbox (NULL).
 */
void session_select(struct session *s, struct view *v, unsigned rights);
/**
 * CONDSTORE was used: from now on MODSEQ is told (RFC 7162 3.1); sends HIGHESTMODSEQ if a mailbox
 * is selected.
 */
void session_enable_condstore(struct session *s);

/**
 * Resolves a set of the client's against the view, sequence numbers or UIDs, to UIDs. ERR_SYNTAX: a
 * sequence number out of range.
 */
enum err session_uids(struct session *s, const struct seqset *set, bool is_uid,
    struct rangeset *uids_out);
/** The largest message that may be appended (RFC 7889). */
uint64_t session_append_limit(const struct session *s);
/**
 * How many messages a COPY or an APPEND may add (SAVELIMIT or MESSAGELIMIT, RFC 9738); 0: no limit
 * that is told, as for the operator.
 */
uint32_t session_save_limit(const struct session *s);
/** How many messages any other command may be about (MESSAGELIMIT, RFC 9738); 0: no limit. */
uint32_t session_message_limit(const struct session *s);
/** Writes an untagged status: "* OK [code] text". */
void session_untagged(struct session *s, const char *condition, struct str code, struct str text);
/** BYE, then the end of the connection when it is sent. */
void session_bye(struct session *s, struct str code, struct str text);

#endif
