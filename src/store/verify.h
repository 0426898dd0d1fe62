/*
 * verify.h - proves every invariant of docs/file-format.md on an engine that nobody changes
 * meanwhile: one that is opened by a tool, or a checkpoint of the one that is running. Names what
 * is affected by account, mailbox and UID, and rebuilds what can be made anew from the rest.
 */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include "base/buf.h"
#include "base/err.h"
#include "kv/kv.h"
#include "store/ids.h"

enum verify_kind {

#define VERIFY(code, name, is_lost, text) VERIFY_##code,
#include "store/verify.def"
#undef VERIFY
	VERIFY_KINDS
};

/* One thing that is wrong. What does not apply is 0 or empty; texts are valid during the call. */
struct verify_finding {
	enum verify_kind kind;
	bool is_lost; /* can't be made anew */
	bool is_repaired;
	/* it concerns mail that was expunged and is kept for undelete */
	bool is_expunged;
	struct account_id account;
	struct str user;
	struct mailbox_id mailbox;
	struct str mailbox_name;      /* all levels */
	uint32_t uid_first, uid_last; /* of the messages that are affected */
	struct msgno msgno;
	struct str file;   /* of the data directory */
	struct str detail; /* more words for people */
};

struct verify_options {
	struct kv *kv;   /* opened with store_merge_functions() */
	bool may_repair; /* it is not read-only, and nobody else has it */
	/* rows only, without the messages' bytes and the engine's files */
	bool skip_bytes;
	void (*found)(void *ctx, const struct verify_finding *f);
	/* So many bytes were read since the last call; may wait. False: stop. NULL: go on. */
	bool (*pace)(void *ctx, uint64_t bytes);
	void *ctx;
	/*
	 * Accounts below were proved by a run that was interrupted; links are then left for the
	 * next whole run.
	 */
	struct account_id first_account;
	/* An account is proved. NULL: nobody wants to know. */
	void (*account_done)(void *ctx, struct account_id account);
};

struct verify_result {
	uint64_t accounts, mailboxes, messages, bytes;
	uint64_t findings, repaired, lost;
};

/**
 * ERR_OK: everything was looked at, whatever was found. ERR_END: stopped. ERR_IO when a repair
 * could not be written.
 */
must_use enum err verify_run(const struct verify_options *o, struct verify_result *out);

const char *verify_kind_name(enum verify_kind kind);
/** A line without its end: for people, or a JSON object. */
void verify_finding_text(const struct verify_finding *f, struct buf *out);
void verify_finding_json(const struct verify_finding *f, struct buf *out);

#endif
