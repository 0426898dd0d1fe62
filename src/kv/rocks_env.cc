// rocks_env.cc - the file system that RocksDB works on: what the newest log is called is noted, logs follow each other without a gap, and
// the ends of tables are looked at. How files are written is in rocks_files.h.
//
// Deletions are let through, and may fail: only what nobody needs any more is deleted, and what is left over RocksDB deletes later.
//
// A log that is not there looks as if it had never been. So each is noted when it begins, in a file of its own (rocks_wal.c), and before
// anything is written to it: two syncs for some 48 MB of log, none for a commit. A log is deleted only when no mark names it (rocks_mark.c).
//
// A log is synced to its end before the next one begins: what a power cut took from it would look like its end, and what is in the next
// one would be taken to follow.
//
// A table that is opened for reading is looked at first (rocks_table.c): RocksDB trusts parts of it that may be damaged.
#include "kv/number_line.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_files.h"
#include "kv/rocks_table.h"
#include "kv/rocks_work.h"

#include <rocksdb/env.h>
#include <rocksdb/system_clock.h>

#include <cstring>

using rocksdb::FileOptions;

namespace {

class TableLook
{
public:
	TableLook(rocksdb::FSRandomAccessFile *file, IODebugContext *d) : file_(file), d_(d) {}

	// Not ok: it can't be read, or its end is damaged.
	IOStatus
	look(const std::string &name, uint64_t bytes)
	{
		const char *wrong = rocks_table_look(read, this, bytes);

		return wrong == nullptr || !s_.ok() ? s_ : IOStatus::Corruption(name, wrong);
	}

private:
	static bool
	read(void *ctx, uint64_t offset, void *p, size_t n)
	{
		auto self = static_cast<TableLook *>(ctx);
		Slice got;

		self->s_ = self->file_->Read(offset, n, IOOptions(), &got, static_cast<char *>(p), self->d_);
		if (!self->s_.ok() || got.size() != n)
			return false;
		if (got.data() != p)
			memcpy(p, got.data(), n);
		return true;
	}

	rocksdb::FSRandomAccessFile *const file_;
	IODebugContext *const d_;
	IOStatus s_;
};

class RocksFs : public rocksdb::FileSystemWrapper
{
public:
	RocksFs(const std::shared_ptr<rocksdb::FileSystem> &base, std::shared_ptr<RocksBrake> brake)
	    : FileSystemWrapper(base), brake_(std::move(brake)) {}
	static const char *kClassName() { return "PosthornFs"; }
	const char *Name() const override { return kClassName(); }

	IOStatus
	NewWritableFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSWritableFile> *out,
	    IODebugContext *d) override
	{
		uint64_t number = brake_->is_for(name) ? rocks_log_number(RocksBrake::base(name)) : 0;

		if (number == 0)
			return file(name, out, [&](auto *made) { return target()->NewWritableFile(name, o, made, d); });
		IOStatus s = log(name, o, out, d);

		return s.ok() ? note(name.substr(0, name.find_last_of('/')), number) : s;
	}

	// The newest log; 0: all that the logs hold is in tables too. Behind it the log's own name is on the disk, and only then the note.
	IOStatus
	note(const std::string &dir, uint64_t number)
	{
		std::unique_ptr<rocksdb::FSDirectory> names;
		std::unique_ptr<rocksdb::FSWritableFile> file;
		char text[NUMBER_LINE_BYTES];
		IOStatus s = NewDirectory(dir, IOOptions(), &names, nullptr);

		if (s.ok())
			s = names->Fsync(IOOptions(), nullptr);
		if (s.ok())
			s = NewWritableFile(dir + "/" LOG_NOTE_NAME, FileOptions(), &file, nullptr);
		if (s.ok())
			s = file->Append(Slice(text, number_line_format(number, text)), IOOptions(), nullptr);
		if (s.ok())
			s = file->Sync(IOOptions(), nullptr);
		if (s.ok())
			s = file->Close(IOOptions(), nullptr);
		return s;
	}

	IOStatus
	ReopenWritableFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSWritableFile> *out,
	    IODebugContext *d) override
	{
		return file(name, out, [&](auto *made) { return target()->ReopenWritableFile(name, o, made, d); });
	}

	IOStatus
	ReuseWritableFile(const std::string &name, const std::string &old, const FileOptions &o,
	    std::unique_ptr<rocksdb::FSWritableFile> *out, IODebugContext *d) override
	{
		return file(name, out, [&](auto *made) { return target()->ReuseWritableFile(name, old, o, made, d); });
	}

	IOStatus
	NewDirectory(const std::string &name, const IOOptions &o, std::unique_ptr<rocksdb::FSDirectory> *out, IODebugContext *d) override
	{
		std::unique_ptr<rocksdb::FSDirectory> dir;
		IOStatus s = target()->NewDirectory(name, o, &dir, d);

		if (!s.ok())
			return s;
		if (brake_->is_for_dir(name))
			out->reset(new RocksDirectory(std::move(dir), brake_));
		else
			*out = std::move(dir);
		return s;
	}

	IOStatus
	NewRandomAccessFile(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSRandomAccessFile> *out,
	    IODebugContext *d) override
	{
		static const char end[] = ".sst";
		uint64_t bytes = 0;
		IOStatus s = target()->NewRandomAccessFile(name, o, out, d);

		if (!s.ok() || name.size() < sizeof(end) || name.compare(name.size() - strlen(end), std::string::npos, end) != 0)
			return s;
		s = target()->GetFileSize(name, IOOptions(), &bytes, d);
		if (s.ok())
			s = TableLook(out->get(), d).look(name, bytes);
		if (!s.ok())
			out->reset();
		return s;
	}

	// A checkpoint copies as much of the newest log as this says, while it is being written. Up to where it is written the bytes stay as
	// they are; in the room behind it, changes could come into the copy without those before them.
	IOStatus
	GetFileSize(const std::string &name, const IOOptions &o, uint64_t *size, IODebugContext *d) override
	{
		IOStatus s = target()->GetFileSize(name, o, size, d);

		if (s.ok() && brake_->is_for(name))
			*size = brake_->end_of(rocks_log_number(RocksBrake::base(name)), *size);
		return s;
	}

	IOStatus
	DeleteFile(const std::string &name, const IOOptions &o, IODebugContext *d) override
	{
		return may_delete(name) ? target()->DeleteFile(name, o, d) : IOStatus::IOError("a mark names it");
	}

	bool
	may_delete(const std::string &name) const
	{
		uint64_t number = brake_->is_for(name) ? rocks_log_number(RocksBrake::base(name)) : 0;

		return number == 0 || rocks_marks_log_gone(brake_->marks(), number);
	}

	IOStatus
	RenameFile(const std::string &from, const std::string &to, const IOOptions &o, IODebugContext *d) override
	{
		// CURRENT, by which a new manifest counts. Options may fail to be noted, and a checkpoint is a folder that is renamed.
		if (!brake_->is_for(to) || to.compare(to.find_last_of('/') + 1, std::string::npos, "CURRENT") != 0)
			return target()->RenameFile(from, to, o, d);
		return (*brake_)([&] { return target()->RenameFile(from, to, o, d); });
	}

private:
	IOStatus
	log(const std::string &name, const FileOptions &o, std::unique_ptr<rocksdb::FSWritableFile> *out, IODebugContext *d)
	{
		std::unique_ptr<rocksdb::FSWritableFile> made;
		std::unique_ptr<rocksdb::FSRandomRWFile> room;
		RocksFile *last = brake_->log_now();
		IOStatus s;

		if (last != nullptr && !last->is_synced())
			s = last->Sync(IOOptions(), d);
		if (s.ok())
			s = (*brake_)([&] { return target()->NewWritableFile(name, o, &made, d); });
		if (!s.ok())
			return s;
		if (!target()->NewRandomRWFile(name, o, &room, d).ok())
			room.reset();
		out->reset(new RocksLog(std::move(made), name, brake_, std::move(room)));
		return s;
	}

	template <class Make>
	IOStatus
	file(const std::string &name, std::unique_ptr<rocksdb::FSWritableFile> *out, Make make)
	{
		std::unique_ptr<rocksdb::FSWritableFile> made;

		if (!brake_->is_for(name))
			return make(out);
		IOStatus s = (*brake_)([&] { return make(&made); });

		if (s.ok())
			out->reset(new RocksFile(std::move(made), name, brake_));
		return s;
	}

	const std::shared_ptr<RocksBrake> brake_;
};

class RocksEnv : public rocksdb::EnvWrapper
{
public:
	RocksEnv(rocksdb::Env *base, std::shared_ptr<RocksBrake> brake) : EnvWrapper(base)
	{
		file_system_ = std::make_shared<RocksFs>(base->GetFileSystem(), std::move(brake));
		system_clock_ = base->GetSystemClock();
	}

	rocksdb::Status
	GetFileSize(const std::string &name, uint64_t *size) override
	{
		return file_system_->GetFileSize(name, IOOptions(), size, nullptr);
	}

	rocksdb::Status
	DeleteFile(const std::string &name) override
	{
		return file_system_->DeleteFile(name, IOOptions(), nullptr);
	}

	void
	Schedule(void (*run)(void *arg), void *arg, Priority priority, void *tag, void (*drop)(void *arg)) override
	{
		if (priority == Priority::LOW)
			return work_.schedule(target(), run, arg, tag, drop);
		target()->Schedule(run, arg, priority, tag, drop);
	}

	static const char *kClassName() { return "PosthornEnv"; }
	const char *Name() const override { return kClassName(); }

	RocksWork *work() { return &work_; }

private:
	RocksWork work_;
};

RocksEnv *
env_of(void *env)
{
	return static_cast<RocksEnv *>(static_cast<rocksdb::Env *>(env));
}

} // namespace

void *
rocks_env_new(void *base, const char *dir, struct rocks_marks *marks, void (*on_error)(void *ctx, const char *text), void *ctx)
{
	rocksdb::Env *env = base != nullptr ? static_cast<rocksdb::Env *>(base) : rocksdb::Env::Default();

	return static_cast<rocksdb::Env *>(new RocksEnv(env, std::make_shared<RocksBrake>(dir, marks, on_error, ctx)));
}

void
rocks_env_note_flushed(void *env, const char *dir, char **errptr)
{
	IOStatus s = static_cast<RocksFs *>(static_cast<rocksdb::Env *>(env)->GetFileSystem().get())->note(dir, 0);

	if (!s.ok())
		*errptr = strdup(s.ToString().c_str());
}

void
rocks_env_reading(void *env, int64_t until_us)
{
	env_of(env)->work()->reading(until_us);
}

void
rocks_env_begin(void *env)
{
	env_of(env)->work()->begin();
}

void
rocks_env_stalled(void *env, bool is_stalled)
{
	env_of(env)->work()->set_stalled(is_stalled);
}

void
rocks_env_flush_begins(void *env)
{
	env_of(env)->work()->flush_begins();
}

void
rocks_env_hurry(void *env, bool is_hurried)
{
	env_of(env)->work()->set_hurried(is_hurried);
}

uint64_t
rocks_env_outwaited(void *env)
{
	return env_of(env)->work()->outwaited();
}

void
rocks_env_free(void *env)
{
	delete static_cast<rocksdb::Env *>(env);
}
