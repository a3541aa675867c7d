// tlogserver: keeps the logs of vdisks for clients on other hosts. See tlogserver(1).
#include <cstdio>
#include <exception>

#include "server/program/arguments.h"
#include "server/program/program.h"
#include "server/program/words.h"

int main(int argc, char** argv) {
  try {
    const tlog::program::Words words = tlog::program::take_words(argc, argv);
    const tlog::program::Parsed parsed = tlog::program::parse(words.words);
    if (parsed.exit_code) return *parsed.exit_code;
    return tlog::program::run(parsed.arguments, words.has_key ? &words.key : nullptr);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "tlogserver: %s\n", exception.what());
    return tlog::program::kExitFailed;
  }
}
