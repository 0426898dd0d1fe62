/*
 * rocks_fault.h - a file system for tests of the RocksDB engine: it fails at the n-th operation,
 * and loses power.
 *
 * It lies on the real one and knows of every file what was synced, and of the directory which names
 * were. Nothing is really synced, so a round takes milliseconds. Operations are writes, syncs, new
 * files, renames, deletions.
 */
#ifndef KV_ROCKS_FAULT_H
#define KV_ROCKS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rocks_fault;

/* What a power cut does to bytes that were not synced. */
enum rocks_loss {
	LOSS_NONE, /* they are all there */
	LOSS_ALL,
	LOSS_PAGES,   /* each page of 4 KiB is there or not */
	LOSS_SECTORS, /* each sector of 512 bytes */
	LOSS_TAIL,    /* all from some sector on */
	LOSS_KINDS
};

struct rocks_fault *rocks_fault_new(void);
void rocks_fault_free(struct rocks_fault *f);
/** A rocksdb::Env *, for rocks_open_env(). */
void *rocks_fault_env(struct rocks_fault *f);
/** Operations so far. */
uint64_t rocks_fault_operations(const struct rocks_fault *f);
/** The n-th operation from now fails, and all after it when for_good; 0: none does. */
void rocks_fault_fail_at(struct rocks_fault *f, uint64_t n, bool for_good);
/** True when an operation has been made to fail. */
bool rocks_fault_has_failed(const struct rocks_fault *f);
/** Logs that began when one before them was not synced to its end. */
uint64_t rocks_fault_loose_logs(const struct rocks_fault *f);
/**
 * The power is gone: to be called when the database is closed. What was not synced is lost as the
 * seed draws it.
 */
void rocks_fault_cut(struct rocks_fault *f, enum rocks_loss loss, uint64_t seed);

#ifdef __cplusplus
}
#endif

#endif
