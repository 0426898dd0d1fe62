/* crc32c.h - CRC-32C (Castagnoli), as RocksDB's log has it and processors compute it. */
#ifndef KV_CRC32C_H
#define KV_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Continues crc (0 at the beginning) over n bytes. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/** The same without the processor's help. */
uint32_t crc32c_plain(uint32_t crc, const void *p, size_t n);
/** The processor has an instruction for it. */
bool crc32c_is_fast(void);

#ifdef __cplusplus
}
#endif

#endif
