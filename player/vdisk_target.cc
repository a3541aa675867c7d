#include "player/vdisk_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "player/progress.h"
#include "tlog/base/buffer.h"
#include "tlog/base/limits.h"
#include "tlog/session/engine.h"

namespace tlog::player {

namespace {

constexpr std::uint64_t kStoreTimeoutNs = 600'000'000'000;
constexpr std::uint64_t kStopBudgetNs = 10'000'000'000;

class VdiskTarget final : public Target {
 public:
  VdiskTarget(const TargetOptions& options, const config::Config& config,
              const config::Vdisk& vdisk, const SourceEnvironment& environment)
      : options_(options), config_(config), vdisk_(vdisk), environment_(environment) {}
  ~VdiskTarget() override { stop(); }

  Result<std::string> check(bool resuming) override {
    if (vdisk_.size != options_.size) {
      return fail(Code::kInvalidArgument,
                  fmt::format("restore: {}: its size is {} bytes, that of {} is {}; correct the "
                              "configuration",
                              options_.name, vdisk_.size, options_.vdisk, options_.size));
    }
    if (vdisk_.read_only) {
      return fail(Code::kInvalidArgument,
                  fmt::format("restore: {}: is readOnly; remove that from the configuration for "
                              "the restore",
                              options_.name));
    }
    std::string what = fmt::format("new vdisk of {}", format_bytes(options_.size));
    if (resuming) return what + ", continues";
    TLOG_ASSIGN(auto existing, existing_uuid());
    // On a cluster each vdisk has keys of its own, by its uuid.
    bool has_storage = false;
    if (!vdisk_.storage_file.empty()) {
      TLOG_ASSIGN(has_storage, environment_.files.exists(vdisk_.storage_file));
    }
    if (existing || has_storage) {
      return fail(Code::kAlreadyExists,
                  fmt::format("restore: {}: exists already; a restore goes to a new vdisk: add one "
                              "to the configuration",
                              options_.name));
    }
    return what;
  }

  Result<std::string> identity() override {
    if (served_) return name_of(served_->status().uuid);
    TLOG_ASSIGN(auto existing, existing_uuid());
    return existing ? name_of(*existing) : std::string();
  }

  Status prepare(bool) override {
    session::EngineOptions how;
    how.vdisks = {vdisk_.name};
    TLOG_ASSIGN(engine_, session::Engine::load(config_, how,
                                               session::system_environment(environment_.logger)));
    TLOG_TRY(engine_->prepare());
    TLOG_TRY(engine_->start());
    started_ = true;
    TLOG_ASSIGN(served_, engine_->open(vdisk_.name, false));
    return {};
  }

  Status apply(std::span<const Change> changes) override {
    for (const Change& change : changes) {
      switch (change.kind) {
        case ChangeKind::kData:
          TLOG_TRY(write(change));
          break;
        case ChangeKind::kDiscard:
          TLOG_TRY(served_->discard(change.offset, change.length, false));
          break;
        case ChangeKind::kZero:
          TLOG_TRY(served_->zero(change.offset, change.length, true, false));
          break;
      }
    }
    return {};
  }
  Status sync() override { return served_->flush(); }

  Status commit() override {
    TLOG_TRY(served_->flush());
    auto stored = served_->flush_to_stores(kStoreTimeoutNs);
    if (!stored) return fail(stored.error().within("restore: " + options_.name));
    stop();
    return {};
  }

  Status read(std::uint64_t offset, ByteSpan into) override { return served_->read(offset, into); }

  const std::string& name() const override { return options_.name; }
  std::string unfinished_name() const override { return options_.name; }
  std::string default_state_path() const override {
    return io::join_path(io::parent_path(config_.path), vdisk_.name + ".tlogplay-state");
  }

 private:
  static std::string name_of(const Uuid& uuid) { return "vdisk:" + uuid.text(); }

  // Neighbours are gathered, so that the new log has few records.
  Status write(const Change& change) {
    gathered_.reset_size(std::min(change.length, kRecordDataMax));
    std::size_t filled = 0;
    std::uint64_t offset = change.offset;
    for (ConstByteSpan piece : change.pieces) {
      while (!piece.empty()) {
        std::size_t part = std::min(piece.size(), gathered_.size() - filled);
        std::memcpy(gathered_.data() + filled, piece.data(), part);
        piece = piece.subspan(part);
        filled += part;
        if (filled < gathered_.size()) continue;
        TLOG_TRY(served_->write(offset, gathered_.span(), false));
        offset += filled;
        filled = 0;
      }
    }
    if (filled == 0) return {};
    return served_->write(offset, gathered_.span().first(filled), false);
  }

  // Of what the stores hold under this name; nothing when none of them has anything.
  Result<std::optional<Uuid>> existing_uuid() {
    TLOG_ASSIGN(auto stores, OpenStores::open(config_, vdisk_, environment_));
    auto pointers = stores->pointers();
    auto found = walk::read_metadata(vdisk_.name, pointers);
    if (found) return std::optional<Uuid>(found->metadata.format.vdisk);
    if (found.error().code() == Code::kNotFound || stores->nothing_there()) {
      return std::optional<Uuid>();
    }
    return fail(found.error());
  }

  void stop() {
    served_.reset();
    if (started_) engine_->stop(kStopBudgetNs);
    started_ = false;
    engine_.reset();
  }

  const TargetOptions options_;
  const config::Config& config_;
  const config::Vdisk& vdisk_;
  const SourceEnvironment environment_;
  std::unique_ptr<session::Engine> engine_;
  bool started_ = false;
  std::shared_ptr<session::Vdisk> served_;
  Buffer gathered_;
};

}  // namespace

Result<std::unique_ptr<Target>> make_vdisk_target(const TargetOptions& options,
                                                  const config::Config& config,
                                                  const SourceEnvironment& environment) {
  std::string id = options.name.substr(options.name.find(':') + 1);
  if (id == options.vdisk) {
    return fail(Code::kInvalidArgument,
                fmt::format("restore: {}: is the vdisk that is restored; a restore goes to a new "
                            "vdisk: add one to the configuration",
                            options.name));
  }
  const config::Vdisk* vdisk = config.find_vdisk(id);
  if (vdisk == nullptr) {
    return fail(Code::kNotFound,
                fmt::format("restore: {}: {} has no such vdisk; add it with a size of {}",
                            options.name, config.path, options.size));
  }
  return std::make_unique<VdiskTarget>(options, config, *vdisk, environment);
}

}  // namespace tlog::player
