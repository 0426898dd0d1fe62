/* rocks_wal.h - the names of RocksDB's log files, and the note of the newest: what rocks_wal.c and rocks_env.cc share. */
#ifndef KV_ROCKS_WAL_H
#define KV_ROCKS_WAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The number of a log file by its name, "000123.log"; 0: it is none. */
uint64_t rocks_log_number(const char *name);

#define LOG_NOTE_NAME "newest-log" /* number_line.h */

#ifdef __cplusplus
}
#endif

#endif
