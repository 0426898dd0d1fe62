// rocks_files.h - the files of a store as RocksDB writes them: after the first write or sync that fails none is written any more. C++ only: it
// is a part of rocks_env.cc.
//
// What the kernel did with the pages of a failed sync can't be known, so nothing may be built on it. But RocksDB has threads, and the
// error that one got does not stop another at once: a flush could still enter a table into the manifest whose log was not synced, and
// after a power cut the store, ahead of its own log, was refused. So the first failure is the last thing that happens to the files, as
// if the power had gone there: and from a power cut at any operation a store comes back.
//
// How far logs and lists of files are synced is told to the marks (rocks_mark.c).
//
// Behind what is in a log zeros are written, a piece at a time. A sync of blocks that were never written has to wait for the file system's
// own books too, in which the first write of each is a change of the file; one of blocks that were takes half the time and half the
// processor. Zeros are what readers of a log find behind its end anyway, in room that was only reserved.
#ifndef KV_ROCKS_FILES_H
#define KV_ROCKS_FILES_H

#include "kv/rocks_mark.h"
#include "kv/rocks_wal.h"

#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr size_t LOG_ROOM_BYTES = 256 * 1024;

class RocksFile;

// Shared by the file system and its files: have writes failed?
class RocksBrake
{
      public:
	RocksBrake(const char *dir, struct rocks_marks *marks,
	    void (*on_error)(void *ctx, const char *text), void *ctx)
	    : dir_(dir), marks_(marks), on_error_(on_error), ctx_(ctx)
	{
	}

	// A file of the store itself. A checkpoint is in a folder of its own, and nothing is built on it.
	bool
	is_for(const std::string &name) const
	{
		return name.compare(0, dir_.size(), dir_) == 0
		    && name.find_last_of('/') == dir_.size();
	}

	// What a file of the store is called in its folder.
	static const char *
	base(const std::string &name)
	{
		return name.c_str() + name.find_last_of('/') + 1;
	}

	struct rocks_marks *
	marks() const
	{
		return marks_;
	}

	void
	log_begins(uint64_t number, RocksFile *file)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		newest_log_ = number;
		newest_bytes_ = 0;
		newest_file_ = file;
	}

	void
	log_ends(const RocksFile *file)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		if (newest_file_ == file)
			newest_file_ = nullptr;
	}

	// The log that is being written; NULL: none is.
	RocksFile *
	log_now()
	{
		std::lock_guard<std::mutex> held(log_lock_);

		return newest_file_;
	}

	bool
	is_log_over(uint64_t number)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		return newest_log_ > number;
	}

	void
	log_reaches(uint64_t number, uint64_t bytes)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		if (number == newest_log_)
			newest_bytes_ = bytes;
	}

	// How much of a file of that size is there to be copied: the log that is being written ends before the room behind it.
	uint64_t
	end_of(uint64_t number, uint64_t size)
	{
		std::lock_guard<std::mutex> held(log_lock_);

		return number != 0 && number == newest_log_ && newest_bytes_ < size ? newest_bytes_
										    : size;
	}

	bool
	is_for_dir(const std::string &name) const
	{
		return name == dir_ || name == dir_ + "/";
	}

	// Does it, unless something has failed before. What a file system does not offer is no failure.
	template <class Operation>
	IOStatus
	operator()(Operation operation)
	{
		if (has_failed_.load(std::memory_order_acquire))
			return IOStatus::IOError("an earlier write failed");
		IOStatus s = operation();
		if (!s.ok() && !s.IsNotSupported()) {
			// In this order: what is refused because of it finds the engine failed.
			if (!has_failed_.load(std::memory_order_acquire))
				on_error_(ctx_, s.ToString().c_str());
			has_failed_.store(true, std::memory_order_release);
		}
		return s;
	}

      private:
	std::atomic<bool> has_failed_{ false };
	std::mutex log_lock_;
	uint64_t newest_log_ = 0, newest_bytes_ = 0;
	RocksFile *newest_file_ = nullptr;
	const std::string dir_;
	struct rocks_marks *const marks_;
	void (*const on_error_)(void *ctx, const char *text);
	void *const ctx_;
};

class RocksFile : public rocksdb::FSWritableFileOwnerWrapper
{
      public:
	RocksFile(std::unique_ptr<rocksdb::FSWritableFile> &&file, const std::string &name,
	    std::shared_ptr<RocksBrake> brake)
	    : FSWritableFileOwnerWrapper(std::move(file)),
	      list_(rocks_list_number(RocksBrake::base(name))),
	      log_(rocks_log_number(RocksBrake::base(name))), brake_(std::move(brake))
	{
	}

	IOStatus
	Append(const Slice &data, const IOOptions &o, IODebugContext *d) override
	{
		return counted(data, (*brake_)([&] { return target()->Append(data, o, d); }));
	}

	IOStatus
	Append(const Slice &data, const IOOptions &o, const rocksdb::DataVerificationInfo &v,
	    IODebugContext *d) override
	{
		return counted(data, (*brake_)([&] { return target()->Append(data, o, v, d); }));
	}

	IOStatus
	PositionedAppend(const Slice &data, uint64_t at, const IOOptions &o,
	    IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->PositionedAppend(data, at, o, d); });
	}

	IOStatus
	PositionedAppend(const Slice &data, uint64_t at, const IOOptions &o,
	    const rocksdb::DataVerificationInfo &v, IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->PositionedAppend(data, at, o, v, d); });
	}

	IOStatus
	Truncate(uint64_t size, const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->Truncate(size, o, d); });
	}

	IOStatus
	Flush(const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->Flush(o, d); });
	}

	IOStatus
	Sync(const IOOptions &o, IODebugContext *d) override
	{
		return synced([&] { return target()->Sync(o, d); });
	}

	IOStatus
	Fsync(const IOOptions &o, IODebugContext *d) override
	{
		return synced([&] { return target()->Fsync(o, d); });
	}

	IOStatus
	RangeSync(uint64_t from, uint64_t bytes, const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return target()->RangeSync(from, bytes, o, d); });
	}

	bool
	is_synced() const
	{
		return synced_bytes_.load() == bytes_.load();
	}

      private:
	IOStatus
	counted(const Slice &data, IOStatus s)
	{
		if (s.ok())
			bytes_.fetch_add(data.size());
		return s;
	}

	template <class Operation>
	IOStatus
	synced(Operation operation)
	{
		bool is_over = log_ != 0 && brake_->is_log_over(log_);
		uint64_t bytes = bytes_.load();
		IOStatus s = (*brake_)(operation);

		// A flush waits for the committer's sync of a log that is over, and when that failed RocksDB's next one would end the process by an
		// assertion. Nobody is told anything wrong: what was to be written since is in a newer log, and that is not written any more.
		if (!s.ok() && is_over)
			return IOStatus::OK();

		if (s.ok())
			synced_bytes_.store(bytes);
		if (s.ok() && log_ != 0)
			rocks_marks_log(brake_->marks(), log_, bytes);
		if (s.ok() && list_ != 0)
			rocks_marks_list(brake_->marks(), list_, bytes);
		return s;
	}

	const uint64_t list_; // its number; 0: it is none
	std::atomic<uint64_t> bytes_{ 0 }, synced_bytes_{ 0 };

      protected:
	const uint64_t log_; // the same
	const std::shared_ptr<RocksBrake> brake_;
};

// A log, with room made ahead. What is not small goes through it without, for then the journal is the smaller part.
class RocksLog : public RocksFile
{
      public:
	RocksLog(std::unique_ptr<rocksdb::FSWritableFile> &&file, const std::string &name,
	    std::shared_ptr<RocksBrake> brake, std::unique_ptr<rocksdb::FSRandomRWFile> &&room)
	    : RocksFile(std::move(file), name, std::move(brake)), room_(std::move(room))
	{
		brake_->log_begins(log_, this);
	}

	~RocksLog() override { brake_->log_ends(this); }

	IOStatus
	Append(const Slice &data, const IOOptions &o, IODebugContext *d) override
	{
		return appended(RocksFile::Append(data, o, d), data.size());
	}

	IOStatus
	Append(const Slice &data, const IOOptions &o, const rocksdb::DataVerificationInfo &v,
	    IODebugContext *d) override
	{
		return appended(RocksFile::Append(data, o, v, d), data.size());
	}

      private:
	IOStatus
	appended(IOStatus s, size_t n)
	{
		static const char zeros[LOG_ROOM_BYTES] = {};

		const bool is_small = n <= LOG_ROOM_BYTES / 4;

		if (s.ok() && is_small)
			s = RangeSync(size_, n, IOOptions(),
			    nullptr); // the disk begins, the sync is to come
		size_ += n;
		brake_->log_reaches(log_, size_);
		if (!s.ok() || size_ < room_end_ || !is_small || room_ == nullptr)
			return s;
		// Nothing is lost where this fails: the log goes on without room.
		if (room_->Write(size_, Slice(zeros, sizeof(zeros)), IOOptions(), nullptr).ok())
			room_end_ = size_ + sizeof(zeros);
		else
			room_.reset();
		return s;
	}

	std::unique_ptr<rocksdb::FSRandomRWFile> room_;
	uint64_t size_ = 0, room_end_ = 0;
};

class RocksDirectory : public rocksdb::FSDirectoryWrapper
{
      public:
	RocksDirectory(std::unique_ptr<rocksdb::FSDirectory> &&dir,
	    std::shared_ptr<RocksBrake> brake)
	    : FSDirectoryWrapper(dir.get()), dir_(std::move(dir)), brake_(std::move(brake))
	{
	}

	IOStatus
	Fsync(const IOOptions &o, IODebugContext *d) override
	{
		return (*brake_)([&] { return dir_->Fsync(o, d); });
	}

	IOStatus
	FsyncWithDirOptions(const IOOptions &o, IODebugContext *d,
	    const rocksdb::DirFsyncOptions &why) override
	{
		return (*brake_)([&] { return dir_->FsyncWithDirOptions(o, d, why); });
	}

      private:
	const std::unique_ptr<rocksdb::FSDirectory> dir_;
	const std::shared_ptr<RocksBrake> brake_;
};

#endif
