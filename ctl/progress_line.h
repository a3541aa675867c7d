// File: ctl/progress_line.h
// What a command that waits for a server shows meanwhile: one line on standard error that each look
// writes over, and nothing where that is no terminal. Threading: one thread.
#pragma once

#include <cstdint>
#include <string>

namespace tlog::ctl {

// Between two looks at how a server is doing.
constexpr std::uint64_t kLookEveryMs = 200;
void pause_before_look();

void show_progress_line(const std::string& text);
void end_progress_line();  // removes it

}  // namespace tlog::ctl
